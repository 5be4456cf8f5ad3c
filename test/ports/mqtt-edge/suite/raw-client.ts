import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import mqttPacket, { type Packet } from "mqtt-packet";
import { createWebSocketStream, WebSocket } from "ws";

export type Version = 4 | 5;

/** Long enough for an edge that answers too early to have answered. */
const QUIET_MS = 60;
const ANSWER_MS = 10_000;

/** A packet as a test compares it: its fields, whatever its class. */
export type Received = Packet & { reasonCode?: number; returnCode?: number };

/** An MQTT client that sends and shows exact packets, one write per `send`, and answers nothing by itself. */
export class RawClient {
  readonly version: Version;
  readonly #stream: Duplex;
  readonly #arrived: (Received | "closed")[] = [];
  readonly #bytes: Buffer[] = [];
  #waiting: (() => void) | undefined;

  constructor(url: string, version: Version) {
    this.version = version;
    this.#stream = streamTo(new URL(url));
    const parser = mqttPacket.parser({ protocolVersion: version });
    parser.on("packet", (packet: Packet) => this.#arrive(packet as Received));
    this.#stream.on("data", (chunk: Buffer) => {
      this.#bytes.push(chunk);
      parser.parse(chunk);
    });
    this.#stream.on("error", () => {}); // a reset is a close, too
    this.#stream.once("end", () => this.#stream.end());
    this.#stream.once("close", () => this.#arrive("closed"));
  }

  /** All in one write, and so one chunk at the edge. */
  send(...packets: Packet[]): void {
    this.write(Buffer.concat(packets.map((packet) => this.bytes(packet))));
  }

  write(bytes: Buffer): void {
    this.#stream.write(bytes);
  }

  bytes(packet: Packet): Buffer {
    return mqttPacket.generate(packet, { protocolVersion: this.version });
  }

  /** The next packet, or "closed" where the edge has closed the connection. */
  async next(): Promise<Received | "closed"> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`nothing came within ${ANSWER_MS} ms`)), ANSWER_MS);
    while (this.#arrived.length === 0) {
      const arrival = new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
      await Promise.race([arrival, late]);
    }
    clearTimeout(timer);
    return this.#arrived[0] === "closed" ? "closed" : (this.#arrived.shift() as Received);
  }

  /** The next `count` packets, in a form to compare: `puback 7`, with a code other than success `puback 7 0x97`. */
  async answers(count: number): Promise<string[]> {
    const shown: string[] = [];
    for (let i = 0; i < count; i++) shown.push(show(await this.next()));
    return shown;
  }

  /** All packets until the edge closes the connection, and that it did. */
  async untilClosed(): Promise<string[]> {
    const shown: string[] = [];
    while (shown.at(-1) !== "closed") shown.push(show(await this.next()));
    return shown;
  }

  /** All bytes until the edge closes the connection, hexadecimal. */
  async raw(): Promise<string> {
    await this.untilClosed();
    return Buffer.concat(this.#bytes).toString("hex");
  }

  /** What came although nothing should have. */
  async early(): Promise<string[]> {
    await sleep(QUIET_MS);
    return this.#arrived.map(show);
  }

  /** Cuts the connection, without a DISCONNECT. */
  cut(): void {
    this.#stream.destroy();
  }

  /** Takes no more from the socket, as a client that hangs. */
  freeze(): void {
    this.#stream.pause();
  }

  #arrive(what: Received | "closed"): void {
    this.#arrived.push(what);
    this.#waiting?.();
  }
}

function streamTo({ protocol, hostname, port, href }: URL): Duplex {
  if (protocol === "mqtt:") return connect(Number(port), hostname).setNoDelay(true);
  return createWebSocketStream(new WebSocket(href, "mqtt"));
}

function show(what: Received | "closed"): string {
  if (what === "closed") return what;
  const { cmd, messageId, reasonCode } = what;
  const id = messageId === undefined ? "" : ` ${messageId}`;
  return reasonCode ? `${cmd}${id} 0x${reasonCode.toString(16)}` : cmd + id;
}
