import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Aedes, Client, PublishPacket } from "aedes";
import type { EdgeCapabilities } from "../../../schemas/edge-capabilities.ts";
import { Admission } from "./admission.ts";
import * as internals from "./aedes-internals.ts";
import { createBroker } from "./broker.ts";
import { BrokerPersistence } from "./broker-persistence.ts";
import { ClientPackets } from "./client-packets.ts";
import { prefixOf } from "./connection.ts";
import { CurrentValues } from "./current-values.ts";
import { type DeliverOptions, Delivery } from "./delivery.ts";
import type { Edge } from "./edge.ts";
import { type EdgeOptions, type Options, withDefaults } from "./edge-options.ts";
import type { DeviceKey, EdgePolicy } from "./edge-policy.ts";
import { hangUpOnDestroy } from "./hang-up.ts";
import { Inbound } from "./inbound.ts";
import { Lifecycle } from "./lifecycle.ts";
import { Listeners } from "./listeners.ts";
import { MessageRate } from "./message-rate.ts";
import { isAnswered } from "./own-filters.ts";
import { SessionFile } from "./persistence/session-file.ts";
import { StoredSessions } from "./persistence/stored-sessions.ts";
import { Presence } from "./presence.ts";
import { DISCONNECT_TEXT, Reason } from "./reason.ts";
import { RecoveredWills } from "./recovered-wills.ts";

const LINGER_MS = 500;
/** What a stop waits for the ends of connections being told. */
const TELL_MS = 1000;
const EMBEDDED: EdgeCapabilities = {
  "mqtt-5": true,
  "shared-subscriptions": false,
  "http-authentication": false,
  kick: true,
  presence: true,
  "durable-acknowledgement": true,
};
const SWEEP_MS = 10_000;

/**
 * An MQTT 3.1.1 and 5 broker in the process: PUBACK and PUBREC leave after the message is durable, refusals carry their
 * reason code, and devices see nothing but their own topics. Sessions outlive connections and, with a file, the process.
 */
export class EmbeddedEdge implements Edge {
  readonly capabilities: EdgeCapabilities = EMBEDDED;
  /** URLs it listens on, `mqtt://…` and its like. */
  readonly listening: string[] = [];
  readonly #options: Options;
  readonly #broker: Aedes;
  readonly #persistence: BrokerPersistence;
  readonly #sessions: StoredSessions;
  readonly #listeners: Listeners;
  readonly #inbound: Inbound;
  readonly #delivery: Delivery;
  readonly #current: CurrentValues;
  readonly #presence: Presence;
  readonly #wills: RecoveredWills;
  readonly #lifecycle: Lifecycle;
  readonly #packets: ClientPackets;
  readonly #sweeper: NodeJS.Timeout;
  #closing: Promise<void> | undefined;

  /** @throws Error naming the file or port that cannot be used; nothing is left open then. */
  static async start(policy: EdgePolicy, options: EdgeOptions = {}): Promise<EmbeddedEdge> {
    const edge = new EmbeddedEdge(policy, withDefaults(options));
    try {
      await edge.#open();
      return edge;
    } catch (error) {
      await edge.close();
      throw error;
    }
  }

  private constructor(policy: EdgePolicy, options: Options) {
    this.#options = options;
    const { sessionsFile: file, synchronous } = options;
    this.#persistence = new BrokerPersistence(new SessionFile({ file, synchronous }), options);
    this.#sessions = new StoredSessions(this.#persistence, options, this.#nowMs());
    this.#inbound = new Inbound(policy, options);
    this.#presence = new Presence(policy, options, ({ tenantId, deviceId }, sessionEpoch) =>
      this.#sessions.ended({ tenantId, deviceId, sessionEpoch }),
    );
    this.#listeners = new Listeners(options, (stream, request, crowded) => this.#accept(stream, request, crowded));
    this.#wills = new RecoveredWills(this.#persistence.wills, (sender, origin, will) => {
      const device = policy.identify(sender);
      if (this.#closing || !device) return;
      this.#inbound.will(device, origin, will);
      this.#presence.leftBehind(device, origin.sessionEpoch, "will");
    });
    this.#broker = createBroker(this.#persistence, options, {
      connectionOf: (client) => this.#lifecycle.of(client),
      identify: (client, packet) => this.#lifecycle.identify(client, packet),
      admit: (client, password) => this.#lifecycle.admit(client, password),
      publish: (client, packet, done) => this.#publish(client, packet, done),
      forward: (connection, packet) => this.#delivery.forward(connection, packet),
    });
    this.#delivery = new Delivery(this.#broker, this.#persistence, options);
    this.#current = new CurrentValues(policy, this.#delivery, this.#persistence);
    this.#lifecycle = new Lifecycle({
      ...{ policy, options, broker: this.#broker, persistence: this.#persistence, sessions: this.#sessions },
      ...{ presence: this.#presence, wills: this.#wills, delivery: this.#delivery, current: this.#current },
      admission: new Admission(policy, options, MessageRate.of(options.maxControlPacketsPerSecond)),
      isClosing: () => this.#closing !== undefined,
    });
    this.#packets = new ClientPackets(policy, options, (client) => this.#lifecycle.of(client));
    this.#sweeper = setInterval(() => this.#sessions.sweep(this.#nowMs()), SWEEP_MS).unref();
    this.#follow();
  }

  /** Connections, those not yet authenticated included. */
  get connections(): number {
    return this.#listeners.connections;
  }

  /** PUBLISHes that were refused for their topic, number or rate. */
  get refused(): number {
    return this.#inbound.refused;
  }

  /** Queued messages that made room for newer ones. */
  get dropped(): number {
    return this.#persistence.queue.dropped;
  }

  /** Why sessions cannot be stored at present; undefined where they can. */
  get trouble(): string | undefined {
    return this.#persistence.file.trouble.reason;
  }

  /** Sends to the device's subscriptions on one of its topics; resolves when it is handed over, or durably queued. */
  deliver(device: DeviceKey, topic: string, payload: Buffer, options?: DeliverOptions): Promise<void> {
    return this.#delivery.send(device, topic, payload, options);
  }

  /** The new current value of one of the device's topics: also for sessions that are away, and for who subscribes later. */
  setCurrent(device: DeviceKey, topic: string, payload: Buffer): Promise<void> {
    return this.#current.send(device, topic, payload);
  }

  /** Ends all connections of a device, those that are being let in too. */
  disconnect(device: DeviceKey): void {
    const prefix = prefixOf(device);
    for (const connection of this.#presence.connections)
      if (connection.prefix === prefix) connection.drop(Reason.administrativeAction);
  }

  /** Takes the certificate anew from its files. @throws Error naming the file that is wrong; the former stays. */
  reloadCertificate(): void {
    this.#listeners.reloadCertificate();
  }

  /**
   * Stops: no new connections, what is being committed is answered, MQTT 5 clients learn why (0x8B). Ends
   * within `drainTimeoutMs` and two seconds, whatever the clients and the channel do.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #open(): Promise<void> {
    const { port, wsPort, tls, tlsPort, wssPort } = this.#options;
    await this.#broker.listen();
    internals.leaveSessionsToEdge(this.#broker);
    this.#wills.begin(this.#options.recoveredWillMs);
    for (const { sessionEpoch, ...device } of this.#sessions.leftBehind())
      this.#presence.leftBehind(device, sessionEpoch, "server");
    this.listening.push(await this.#listeners.listenTcp(port));
    if (tls) this.listening.push(await this.#listeners.listenTls(tlsPort));
    this.listening.push(await this.#listeners.listenWebSocket(wsPort));
    if (tls) this.listening.push(await this.#listeners.listenSecureWebSocket(wssPort));
  }

  async #close(): Promise<void> {
    clearInterval(this.#sweeper);
    this.#wills.stop();
    this.#listeners.stopAccepting();
    for (const client of internals.connectedClients(this.#broker)) internals.stopReading(client);
    await this.#inbound.idle(this.#options.drainTimeoutMs);
    // Answers leave at the end of the turn in which the last commit ended.
    await new Promise((resolve) => setImmediate(resolve));
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    this.#broker.close(resolve);
    await this.#listeners.closed(2 * LINGER_MS);
    await Promise.race([closed, new Promise((expired) => setTimeout(expired, LINGER_MS).unref())]);
    await this.#presence.stop(TELL_MS);
    this.#persistence.file.close();
  }

  /** @param crowded the limit of connections is exceeded by this one */
  #accept(stream: Duplex, request: IncomingMessage | undefined, crowded: boolean): void {
    const client = this.#broker.handle(stream, request);
    if (crowded) this.#lifecycle.crowd(client);
    hangUpOnDestroy(stream, () => client.closed, LINGER_MS);
    internals.explainDisconnects(client, DISCONNECT_TEXT);
    this.#packets.watch(client);
  }

  #publish(client: Client | null, packet: PublishPacket, done: (error?: Error | null) => void): void {
    const connection = client && this.#lifecycle.of(client);
    if (!connection?.device) {
      done(new Error("no connection"));
      return;
    }
    if (packet !== connection.will) {
      this.#inbound.publish(connection, packet, done);
      return;
    }
    // MQTT 5.0 section 3.1.2.5 lets a server that stops keep wills back: it is the server that has left.
    if (!this.#closing) {
      this.#inbound.will(connection.device, connection, packet);
      this.#presence.willPublished(connection, connection.device);
    }
    done(new Error("wills are not routed"));
  }

  async #release(client: Client, packetId: number): Promise<void> {
    const connection = this.#lifecycle.of(client);
    await connection?.session?.release(packetId);
    connection?.receiving.delete(packetId);
  }

  /** What aedes reports of its clients. */
  #follow(): void {
    const broker = this.#broker;
    this.#persistence.onRelease = (client, packetId) => this.#release(client, packetId);
    broker.on("client", (client) => setImmediate(() => internals.forgetIfClosed(broker, client)));
    broker.on("clientReady", (client) => this.#lifecycle.begin(client));
    broker.on("subscribe", (subscriptions, client) => this.#subscribed(client, subscriptions));
    broker.on("keepaliveTimeout", (client) => {
      const connection = this.#lifecycle.of(client);
      if (connection) connection.leaving ??= "keep-alive";
    });
    broker.on("clientDisconnect", (client) => {
      const connection = this.#lifecycle.of(client);
      if (connection) this.#lifecycle.leave(connection);
    });
    // Without listeners an error of the broker would end the process; the connection at fault is closed by now.
    for (const event of ["error", "clientError", "connectionError"]) broker.addListener(event, () => {});
  }

  /** SUBACK is sent: what the platform has to say first follows. */
  #subscribed(client: Client, subscriptions: readonly { topic: string }[]): void {
    const connection = this.#lifecycle.of(client);
    if (!connection) return;
    for (const { topic } of subscriptions) {
      if (isAnswered(topic)) internals.dropSubscription(this.#broker, client, topic);
      const filter = connection.due.delete(topic) ? connection.filters.get(topic) : undefined;
      if (filter) this.#current.subscribed(connection, filter).catch(() => {});
    }
  }

  #nowMs(): number {
    return Math.floor(this.#options.now() / 1000);
  }
}
