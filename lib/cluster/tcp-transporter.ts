import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { Transporters } from "moleculer";
import { exitWith } from "../start-and-stop.ts";
import { instead, type Packet } from "./packet-limit.ts";
import type { TcpNode, TcpUrl } from "./transporter-url.ts";

export interface TcpOptions extends TcpUrl {
  nodeId: string;
  /** Address to listen on. */
  host: string;
  packetBytesMax: number;
}

/** What we use of Moleculer's reader of packets; its types leave it out. */
interface Reader {
  server: Server | null;
  connected: boolean;
  onTcpClientConnected(socket: Socket): void;
  listen(): Promise<number>;
}

/** Moleculer holds a packet and what was read behind it against its limit. */
const READ_BYTES_MAX = 1_048_576;

/**
 * Moleculer's TCP transporter on the address that is configured, where its own listens on every address of the machine,
 * and among nodes that are named, where its own asks the network by multicast.
 */
export class TcpTransporter extends Transporters.TCP {
  readonly #host: string;
  readonly #nodes: ReadonlyMap<string, TcpNode>;
  readonly #bytesMax: number;
  readonly trouble = undefined;
  // Not private: Moleculer's constructor sets it before private fields exist.
  declare _reader: Reader | null;

  constructor({ nodes, nodeId, host, packetBytesMax }: TcpOptions) {
    const port = nodes.find((node) => node.nodeId === nodeId)?.port;
    super({
      udpDiscovery: false,
      gossipPeriod: 1,
      urls: nodes.map((node) => `tcp://${node.host}:${node.port}/${node.nodeId}`).join(","),
      maxPacketSize: packetBytesMax + READ_BYTES_MAX,
      ...(port === undefined ? {} : { port }),
    });
    this.#host = host;
    this.#nodes = new Map(nodes.map((node) => [node.nodeId, node]));
    this.#bytesMax = packetBytesMax;
  }

  // Moleculer makes its reader and has it listen in one step; this is the place between them.
  get reader(): Reader | null {
    return this._reader;
  }

  set reader(reader: Reader | null) {
    this._reader = reader;
    if (reader) reader.listen = () => this.#listen(reader);
  }

  override startTcpServer(): Promise<void> {
    // What others are told of this node: the machine's name need not lead to the address that is listened on.
    const local = this.nodes.localNode as unknown as { id: string; hostname: string; ipList: string[]; seq: number };
    const own = this.#nodes.get(local.id)?.host ?? (isWildcard(this.#host) ? undefined : this.#host);
    if (own !== undefined) {
      local.hostname = own;
      local.ipList = [own];
    }
    // Of two pieces of news about a node the higher number holds: those of a process that was started again must be higher.
    local.seq = Math.floor(Date.now() / 1000);
    return super.startTcpServer();
  }

  override getNodeAddress(node: { id: string }): string {
    return this.#nodes.get(node.id)?.host ?? super.getNodeAddress(node as never);
  }

  override onConnected(wasReconnect?: boolean): Promise<unknown> {
    // The others of the list know all that this node does not; Moleculer waits a moment for such news.
    const { id, seq } = this.nodes.localNode as unknown as { id: string; seq: number };
    for (const node of this.#others())
      this.sendGossipToRandomEndpoint({ online: { [id]: [seq, 0, 0] } }, [node as never]);
    return super.onConnected(wasReconnect);
  }

  /** Moleculer leaves the news of a node to chance, one other node a second; here each is told at once. */
  override publish(packet: Packet): Promise<void> {
    if (packet.type !== "INFO" || packet.target) return super.publish(packet as never);
    return this.#tell(this.#others());
  }

  /** Nodes that were just heard of have not heard of this one. */
  override receive(type: string, message: Buffer, socket: Socket): Promise<void> | void {
    if (type !== "GOSSIP_RES") return super.receive(type, message, socket);
    const known = new Set(this.#others().flatMap(({ id, available }) => (available ? [id] : [])));
    const received = super.receive(type, message, socket);
    void this.#tell(this.#others().filter(({ id, available }) => available && !known.has(id)));
    return received;
  }

  #others(): { id: string; available: boolean }[] {
    const all = this.nodes.toArray() as { id: string; available: boolean; local: boolean }[];
    return all.filter(({ local }) => !local);
  }

  async #tell(nodes: readonly { id: string }[]): Promise<void> {
    const online = { [this.broker.nodeID]: [this.broker.getLocalNodeInfo()] };
    await Promise.allSettled(
      nodes.map(({ id: target }) => super.publish({ type: "GOSSIP_RES", target, payload: { online } } as never)),
    );
  }

  override send(topic: string, data: Buffer, meta: { packet: Packet }): Promise<void> {
    if (data.length <= this.#bytesMax) return super.send(topic, data, meta);
    return this.publish(instead(meta.packet, this.#bytesMax) as never) as Promise<void>;
  }

  #listen(reader: Reader): Promise<number> {
    const { port = 0 } = this.opts;
    const server = createServer((socket) => reader.onTcpClientConnected(socket));
    reader.server = server;
    return new Promise((resolve, reject) => {
      server.once("error", (cause: NodeJS.ErrnoException) => {
        const why = cause.code === "EADDRINUSE" ? "is already in use" : `cannot be used: ${cause.message}`;
        reject(cause);
        exitWith(`TRANSPORTER: port ${port} of ${this.#host} ${why}`);
      });
      server.listen({ port, host: this.#host, exclusive: true }, () => {
        this.opts.port = (server.address() as AddressInfo).port;
        reader.connected = true;
        resolve(this.opts.port);
      });
    });
  }
}

const isWildcard = (host: string) => host === "0.0.0.0" || host === "::";
