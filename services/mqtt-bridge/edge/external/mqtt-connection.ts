import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import mqttPacket, { type IConnackPacket, type IPublishPacket, type ISubackPacket, type Packet } from "mqtt-packet";
import { OrderedAcks } from "./ordered-acks.ts";
import { type Publication, Publishing } from "./publishing.ts";

export interface MqttConnectionOptions {
  /** `mqtt://` or `mqtts://`, with user and password. */
  url: string;
  clientId: string;
  keepAliveSeconds: number;
  /** Messages that the broker sends before the first of them is acknowledged. */
  receiveMaximum: number;
  /** How long the broker keeps the session of a client that is away. */
  sessionSeconds: number;
  maxPacketBytes: number;
  connectTimeoutMs: number;
  /** Subscribed at QoS 1. */
  filters: readonly string[];
}

/** Takes a message; `stored` is to be called when the broker may forget it. */
export type OnMessage = (packet: IPublishPacket, stored: () => void) => void;

const GRACE = 1.5;

/** One connection to an MQTT 5 broker, from its CONNECT to its end. */
export class MqttConnection {
  /** Resolves when the subscriptions are granted. @throws Error saying what the broker refuses, or that it is away */
  readonly ready: Promise<void>;
  /** Resolves, with the reason, when it has ended. */
  readonly ended: Promise<string>;
  readonly #options: MqttConnectionOptions;
  readonly #onMessage: OnMessage;
  readonly #socket: Socket;
  readonly #acks: OrderedAcks;
  readonly #publishing: Publishing;
  readonly #ready = Promise.withResolvers<void>();
  readonly #end = Promise.withResolvers<string>();
  #late: NodeJS.Timeout | undefined;
  #pinger: NodeJS.Timeout | undefined;
  #heardAt = performance.now();
  #spokeAt = performance.now();
  /** Messages of QoS 0 in work: nothing but the socket bounds them. */
  #unanswerable = 0;
  #reason = "the connection was closed";

  constructor(options: MqttConnectionOptions, onMessage: OnMessage) {
    this.#options = options;
    this.#onMessage = onMessage;
    this.ready = this.#ready.promise;
    this.ended = this.#end.promise;
    this.ready.catch(() => {});
    this.#acks = new OrderedAcks((messageId) => this.#send({ cmd: "puback", messageId, reasonCode: 0 }));
    this.#publishing = new Publishing((packet) => this.#send(packet));
    this.#socket = this.#dial();
    this.#listen();
  }

  /** Resolves when the broker has acknowledged. @throws Error when it refuses, or the connection ends */
  publish(publication: Publication): Promise<void> {
    return this.#publishing.publish(publication);
  }

  /** Says goodbye; the broker keeps the session. */
  close(): void {
    if (this.#socket.destroyed) return;
    this.#reason = "the edge has stopped";
    this.#send({ cmd: "disconnect", reasonCode: 0 });
    this.#socket.destroySoon();
  }

  destroy(reason: string): void {
    this.#reason = reason;
    this.#socket.destroy();
  }

  #dial(): Socket {
    const { protocol, hostname, port } = new URL(this.#options.url);
    const host = hostname.replace(/^\[|\]$/g, "");
    return protocol === "mqtts:"
      ? connectTls({ host, port: Number(port || 8883), ...(isIP(host) ? {} : { servername: host }) })
      : connectTcp({ host, port: Number(port || 1883) });
  }

  #listen(): void {
    const { url, connectTimeoutMs } = this.#options;
    const socket = this.#socket;
    socket.setNoDelay(true);
    socket.once(url.startsWith("mqtts:") ? "secureConnect" : "connect", () => this.#connect());
    socket.on("error", (error) => {
      this.#reason = error.message || String((error as NodeJS.ErrnoException).code);
    });
    socket.once("close", () => this.#over());
    const parser = mqttPacket.parser({ protocolVersion: 5 });
    parser.on("packet", (packet: Packet) => this.#receive(packet));
    parser.on("error", (error: Error) => this.destroy(`the broker breaks the protocol: ${error.message}`));
    socket.on("data", (chunk: Buffer) => {
      this.#heardAt = performance.now();
      socket.cork();
      parser.parse(chunk);
      socket.uncork();
    });
    this.#late = setTimeout(() => this.destroy(`no answer within ${connectTimeoutMs} ms`), connectTimeoutMs);
  }

  #connect(): void {
    const { url, clientId, keepAliveSeconds, receiveMaximum, sessionSeconds, maxPacketBytes } = this.#options;
    const { username, password } = new URL(url);
    this.#send({
      ...({ cmd: "connect", protocolId: "MQTT", protocolVersion: 5, clean: false } as const),
      ...{ clientId, keepalive: keepAliveSeconds },
      ...(username === "" ? {} : { username: decodeURIComponent(username) }),
      ...(password === "" ? {} : { password: Buffer.from(decodeURIComponent(password)) }),
      properties: { sessionExpiryInterval: sessionSeconds, receiveMaximum, maximumPacketSize: maxPacketBytes },
    });
  }

  #receive(packet: Packet): void {
    switch (packet.cmd) {
      case "connack":
        this.#connected(packet);
        break;
      case "suback":
        this.#subscribed(packet);
        break;
      case "publish":
        this.#message(packet);
        break;
      case "puback":
        this.#publishing.acknowledged(packet.messageId ?? 0, packet.reasonCode ?? 0);
        break;
      case "disconnect":
        this.#reason = `the broker ends the connection (0x${(packet.reasonCode ?? 0).toString(16)})`;
        break;
      default:
    }
  }

  #connected({ reasonCode = 0, properties }: IConnackPacket): void {
    if (reasonCode !== 0) {
      this.destroy(REFUSED[reasonCode] ?? `the broker refuses the connection (0x${reasonCode.toString(16)})`);
      return;
    }
    this.#publishing.window = properties?.receiveMaximum ?? 65_535;
    const keepAliveMs = (properties?.serverKeepAlive ?? this.#options.keepAliveSeconds) * 1000;
    this.#pinger = setInterval(() => this.#keepAlive(keepAliveMs), keepAliveMs / 4);
    const subscriptions = this.#options.filters.map((topic) => ({ topic, qos: 1 as const }));
    this.#send({ cmd: "subscribe", messageId: 1, subscriptions });
  }

  #subscribed({ granted }: ISubackPacket): void {
    const place = granted.findIndex((code) => Number(code) !== 1);
    clearTimeout(this.#late);
    if (place < 0) this.#ready.resolve();
    else this.destroy(`the broker does not grant ${this.#options.filters[place]}`);
  }

  #message(packet: IPublishPacket): void {
    if (packet.qos > 0) {
      this.#onMessage(packet, this.#acks.open(packet.messageId as number));
      return;
    }
    if (++this.#unanswerable >= this.#options.receiveMaximum) this.#socket.pause();
    this.#onMessage(packet, () => {
      if (--this.#unanswerable < this.#options.receiveMaximum) this.#socket.resume();
    });
  }

  #keepAlive(ms: number): void {
    const now = performance.now();
    // While nothing is read nothing can be heard.
    if (now - this.#heardAt > ms * GRACE && !this.#socket.isPaused()) this.destroy("the broker is silent");
    else if (now - this.#spokeAt > ms / 2) this.#send({ cmd: "pingreq" });
  }

  #send(packet: Packet): void {
    if (this.#socket.destroyed) return;
    this.#spokeAt = performance.now();
    this.#socket.write(mqttPacket.generate(packet, { protocolVersion: 5 }));
  }

  #over(): void {
    clearTimeout(this.#late);
    clearInterval(this.#pinger);
    this.#acks.close();
    const error = new Error(this.#reason);
    this.#publishing.close(error);
    this.#ready.reject(error);
    this.#end.resolve(this.#reason);
  }
}

/** What operators can do something about. */
const REFUSED: Readonly<Record<number, string>> = {
  132: "the broker does not speak MQTT 5",
  134: "the broker does not accept user and password",
  135: "the broker does not accept user and password",
};
