import { setTimeout as sleep } from "node:timers/promises";
import { Transporters } from "moleculer";
import { TransporterAwayError } from "./errors.ts";
import { instead, type Packet } from "./packet-limit.ts";
import type { NatsUrl } from "./transporter-url.ts";

export interface NatsOptions extends NatsUrl {
  nodeId: string;
  /** PEM files of the certificate authority, and of this client. */
  tlsFiles: { caFile?: string | undefined; certFile?: string | undefined; keyFile?: string | undefined };
}

/** What we use of the client; its package is loaded by Moleculer, and only where NATS is used. */
interface NatsClient {
  info?: { max_payload: number };
  status(): AsyncIterable<{ type: string }>;
  flush(): Promise<void>;
  close(): Promise<void>;
}

const RECONNECT_MS = 250;
const CONNECT_MS = 2000;
const PING_MS = 2000;
/** Each of the two steps of a disconnect. */
const LEAVE_MS = 500;
/** Events that wait for the connection; they are hints. */
const WAITING_EVENTS_MAX = 10_000;

/**
 * Moleculer's NATS transporter, that knows when the server is away: then a call is refused at once instead of waiting in
 * the client's unbounded buffer for a server that may never return, those that wait for an answer are told, and a stop ends.
 */
export class NatsTransporter extends Transporters.NATS {
  readonly #servers: string;
  #away = false;
  #waiting = 0;
  #leaving = false;

  constructor({ servers, user, password, tls, tlsFiles, nodeId }: NatsOptions) {
    const files = Object.entries(tlsFiles).filter(([, file]) => file !== undefined);
    super({
      servers,
      name: nodeId,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_MS,
      reconnectJitter: RECONNECT_MS,
      timeout: CONNECT_MS,
      pingInterval: PING_MS,
      ...(user === undefined ? {} : { user, pass: password ?? "" }),
      ...(tls || files.length > 0 ? { tls: Object.fromEntries(files) } : {}),
    });
    this.#servers = servers.join(", ");
  }

  /** Why no other process can be reached; undefined where it can. */
  get trouble(): string | undefined {
    return this.#away || !this.client ? `transporter: no connection to NATS (${this.#servers})` : undefined;
  }

  override onConnected(wasReconnect?: boolean): Promise<unknown> {
    if (!wasReconnect) void this.#follow(this.client as NatsClient);
    return super.onConnected(wasReconnect);
  }

  override async disconnect(): Promise<void> {
    this.#leaving = true;
    const client = this.client as NatsClient | null;
    if (!client) return;
    this.client = null;
    const limited = (work: Promise<void>) =>
      Promise.race([work.catch(() => {}), sleep(LEAVE_MS, undefined, { ref: false })]);
    if (!this.#away) await limited(client.flush());
    await limited(client.close());
  }

  override prepublish(packet: Packet): Promise<void> {
    if (!this.#away) return super.prepublish(packet as never);
    if (packet.type === "REQ" || packet.type === "PING") return Promise.reject(new TransporterAwayError());
    if (packet.type !== "EVENT" || ++this.#waiting > WAITING_EVENTS_MAX) return Promise.resolve();
    return super.prepublish(packet as never);
  }

  override async send(topic: string, data: Buffer, meta?: { packet: Packet }): Promise<void> {
    const bytesMax = (this.client as NatsClient | null)?.info?.max_payload;
    if (bytesMax !== undefined && data.length > bytesMax)
      return this.publish(instead(meta?.packet, bytesMax) as never) as unknown as Promise<void>;
    return super.send(topic, data);
  }

  async #follow(client: NatsClient): Promise<void> {
    for await (const { type } of client.status()) {
      if (type === "disconnect" && !this.#away) {
        this.#away = true;
        if (this.#leaving) continue;
        this.logger.warn("NATS is away.", { servers: this.#servers });
        this.#refuseWaiting();
      } else if (type === "reconnect") {
        this.#away = false;
        this.#waiting = 0;
        this.logger.info("NATS is back.", { servers: this.#servers });
        // Who is there, and who has changed meanwhile.
        this.onConnected(true).catch((error: unknown) => this.logger.error("Nodes could not be asked.", { error }));
      }
    }
  }

  /** What was asked may have been lost with the connection: NATS delivers at most once. */
  #refuseWaiting(): void {
    const transit = this.transit as unknown as { removePendingRequestByNodeID(nodeId: string): void };
    const nodes = this.broker.registry.getNodeList({ onlyAvailable: false }) as { id: string; local: boolean }[];
    for (const { id, local } of nodes) if (!local) transit.removePendingRequestByNodeID(id);
  }
}
