import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { Aedes, type Client, type ConnectPacket, type PublishPacket } from "aedes";
import { Admission } from "./admission.ts";
import * as internals from "./aedes-internals.ts";
import { BrokerPersistence } from "./broker-persistence.ts";
import { ConnackError, Refused, refuseConnect } from "./connack.ts";
import { Connection, prefixOf } from "./connection.ts";
import { CurrentValues } from "./current-values.ts";
import { type DeliverOptions, Delivery } from "./delivery.ts";
import { type EdgeOptions, type Options, withDefaults } from "./edge-options.ts";
import type { DeviceKey, EdgePolicy } from "./edge-policy.ts";
import { hangUpOnDestroy } from "./hang-up.ts";
import { Inbound } from "./inbound.ts";
import { Listeners } from "./listeners.ts";
import { MessageRate } from "./message-rate.ts";
import { isAnswered, isOwn, ownFilters, restoreFilter, SESSION } from "./own-filters.ts";
import { SessionFile } from "./persistence/session-file.ts";
import { StoredSessions } from "./persistence/stored-sessions.ts";
import { Presence } from "./presence.ts";
import type { ProtocolViolation } from "./protocol-violation.ts";
import { DISCONNECT_TEXT, Reason } from "./reason.ts";
import { RecoveredWills, signWill } from "./recovered-wills.ts";
import { Session } from "./session.ts";
import { isSupported, refuseViolations } from "./strict-packets.ts";
import { NoMorePackets, parseStrictly } from "./strict-parser.ts";
import { limitTopic } from "./topic-limits.ts";

const LINGER_MS = 500;
const SWEEP_MS = 10_000;

/**
 * An MQTT 3.1.1 and 5 broker in the process: PUBACK and PUBREC leave after the message is durable, refusals carry their
 * reason code, and devices see nothing but their own topics. Sessions outlive connections and, with a file, the process.
 */
export class EmbeddedEdge {
  /** URLs it listens on, `mqtt://…` and its like. */
  readonly listening: string[] = [];
  readonly #options: Options;
  readonly #policy: EdgePolicy;
  readonly #broker: Aedes;
  readonly #persistence: BrokerPersistence;
  readonly #sessions: StoredSessions;
  readonly #listeners: Listeners;
  readonly #admission: Admission;
  readonly #inbound: Inbound;
  readonly #delivery: Delivery;
  readonly #current: CurrentValues;
  readonly #presence: Presence;
  readonly #wills: RecoveredWills;
  readonly #rate: MessageRate | undefined;
  readonly #connections = new WeakMap<Client, Connection>();
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
    this.#policy = policy;
    this.#options = options;
    const { sessionsFile: file, synchronous } = options;
    this.#persistence = new BrokerPersistence(new SessionFile({ file, synchronous }), options);
    this.#sessions = new StoredSessions(this.#persistence, options, this.#nowMs());
    this.#admission = new Admission(policy, options, MessageRate.of(options.maxControlPacketsPerSecond));
    this.#inbound = new Inbound(policy, options);
    this.#presence = new Presence(policy, options);
    this.#rate = MessageRate.of(options.maxMessagesPerSecond);
    this.#listeners = new Listeners(options, (stream, request, crowded) => this.#accept(stream, request, crowded));
    this.#wills = new RecoveredWills(this.#persistence.wills, (sender, origin, will) => {
      const device = policy.identify(sender);
      if (this.#closing || !device) return;
      this.#inbound.will(device, origin, will);
      this.#presence.leftBehind(device, origin.sessionEpoch, "will");
    });
    this.#broker = this.#createBroker(options);
    this.#delivery = new Delivery(this.#broker, this.#persistence, options);
    this.#current = new CurrentValues(policy, this.#delivery, this.#persistence);
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
    for (const { sessionEpoch, ...device } of this.#sessions.takeLeftBehind())
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
    this.#presence.stop();
    this.#persistence.file.close();
  }

  #createBroker(options: Options): Aedes {
    return new Aedes({
      persistence: this.#persistence,
      maximumPacketSize: options.maxPacketBytes,
      receiveMaximum: options.receiveMaximum,
      topicAliasMaximum: 16,
      // 0 would be no limit at all.
      sessionExpiryIntervalLimit: Math.max(1, options.maxSessionSeconds),
      pendingSessionsLimit: options.maxParkedSessions,
      connectTimeout: options.connectTimeoutMs,
      drainTimeout: 10_000,
      // The edge bounds client ids itself: inside the broker they are longer than the client's.
      maxClientsIdLength: Number.MAX_SAFE_INTEGER,
      preConnect: (client, packet, done) => {
        if (this.#identify(client, packet)) done(null, true);
      },
      authenticate: (client, _username, password, done) => {
        this.#authenticate(client, password).then(
          () => done(null, true),
          (error) => this.#refuse(client, error),
        );
      },
      authorizePublish: (client, packet, done) => this.#publish(client, packet, done),
      authorizeSubscribe: (client, subscription, done) => {
        const connection = this.#connections.get(client);
        const own = connection && isOwn(subscription.topic, connection);
        if (own) restoreFilter(subscription, connection);
        done(null, own || isAnswered(subscription.topic) ? subscription : null);
      },
      authorizeForward: (client, packet) => {
        const connection = this.#connections.get(client);
        return connection ? this.#delivery.forward(connection, packet) : null;
      },
    });
  }

  /** @param crowded the limit of connections is exceeded by this one */
  #accept(stream: Duplex, request: IncomingMessage | undefined, crowded: boolean): void {
    const client = this.#broker.handle(stream, request);
    if (crowded) this.#crowded.add(client);
    hangUpOnDestroy(stream, () => client.closed, LINGER_MS);
    parseStrictly(client, (violation, version) => this.#violated(client, violation, version));
    internals.explainDisconnects(client, DISCONNECT_TEXT);
    const { maxTopicBytes, maxTopicLevels, now } = this.#options;
    const acknowledged = (id: number) => this.#connections.get(client)?.outbound?.settled(id);
    internals.beforePackets(client, (packet) => {
      const connection = this.#connections.get(client);
      refuseViolations(packet, connection !== undefined);
      if (!connection) return;
      connection.seenAt = now();
      switch (packet.cmd) {
        case "publish":
          limitTopic(packet, maxTopicBytes, Math.min(100, maxTopicLevels));
          break;
        case "subscribe":
        case "unsubscribe":
          countControl(connection);
          this.#rewriteFilters(packet, connection);
          break;
        case "pingreq":
          countControl(connection);
          break;
        case "disconnect":
          // With its will it breaks like one that vanishes.
          if ((packet.reasonCode ?? 0) !== Reason.disconnectWithWill) connection.leaving ??= "client";
          break;
        case "puback":
        case "pubcomp":
        case "pubrec":
          // After the broker has taken it out of the queue. A PUBREC is the end where it refuses only.
          if (packet.cmd !== "pubrec" || (packet.reasonCode ?? 0) >= 0x80)
            process.nextTick(acknowledged, packet.messageId);
          break;
        default:
      }
    });
  }

  /** A client breaks the protocol: with MQTT 5 it is told how, once it is connected; below, the connection is cut. */
  #violated(client: Client, violation: ProtocolViolation, version: number | undefined): void {
    const connection = this.#connections.get(client);
    const { code } = violation;
    // What is wrong with a second CONNECT is that it is there.
    if (connection?.version === 5)
      connection.drop(code === Reason.unsupportedVersion ? Reason.protocolError : code, "network");
    else if (connection || version === undefined) internals.cut(client, violation);
    else if (code === Reason.unsupportedVersion) refuseConnect(client, version > 5 ? 5 : 4, Refused.version);
    else if (version === 5) refuseConnect(client, 5, { returnCode: Refused.unavailable.returnCode, reasonCode: code });
    else internals.cut(client, violation);
  }

  #rewriteFilters(packet: { cmd: string }, connection: Connection): void {
    const { device } = connection;
    if (!device) return;
    ownFilters(packet, connection, {
      allowed: (filter) => this.#policy.maySubscribe(device, filter),
      canonical: (filter) => this.#policy.canonical(device, filter),
      max: this.#options.maxSubscriptions,
    });
  }

  /** Before a CONNECT is believed: gives the client an id that only its device can have. False where it is refused. */
  #identify(client: Client, packet: ConnectPacket): boolean {
    if (this.#crowded.has(client)) {
      refuseConnect(client, packet.protocolVersion ?? 4, Refused.quotaExceeded);
      return false;
    }
    if (!isSupported(packet)) {
      refuseConnect(client, packet.protocolVersion ?? 4, Refused.version);
      return false;
    }
    const device = this.#policy.identify({ username: packet.username, clientId: packet.clientId });
    // Left empty where 3.1.1 wants a refusal: an id must be given to keep a session (MQTT-3.1.3-8).
    const given = packet.clientId || (packet.protocolVersion === 5 || packet.clean ? randomUUID() : "");
    const connection = new Connection(client, packet, device, given);
    this.#connections.set(client, connection);
    client.conn.once("close", () => {
      if (!internals.isRegistered(this.#broker, client)) this.#leave(connection);
    });
    if (given) packet.clientId = `${connection.prefix || "@/"}${given}`;
    return true;
  }

  async #authenticate(client: Client, password: Buffer | undefined): Promise<void> {
    const connection = this.#connections.get(client);
    if (!connection) throw new Error("no connection");
    await this.#admission.admit(connection, password);
    // Asked for after the registry was, which takes its time.
    if (this.#closing) throw new ConnackError(Refused.unavailable, "the server is stopping");
    // Gone meanwhile: the session stays parked for the client's next attempt.
    if (client.closed) return;
    try {
      await this.#enter(connection, connection.device as DeviceKey);
    } catch (cause) {
      // While nothing can be stored nobody is let in, and with the next attempt it is tried again.
      throw new ConnackError(Refused.unavailable, `not stored: ${(cause as Error).message}`, { cause });
    } finally {
      if (client.closed) this.#leave(connection);
    }
  }

  #refuse(client: Client, error: unknown): void {
    const code = error instanceof ConnackError ? error.code : Refused.unavailable;
    refuseConnect(client, this.#connections.get(client)?.version ?? 4, code);
  }

  async #enter(connection: Connection, device: DeviceKey): Promise<void> {
    const { client, keepAliveSeconds, cleanStart } = connection;
    const { maxKeepAliveSeconds, maxRememberedPackets } = this.#options;
    const { id } = client;
    connection.entered = true;
    connection.resumable = !internals.endsWithConnection(client);
    const kept = !cleanStart || connection.resumable;
    const { tenantId, deviceId } = device;
    const facts = { tenantId, deviceId, sessionEpoch: connection.sessionEpoch };
    const fresh = cleanStart || this.#sessions.hasExpired(id, this.#nowMs());
    // MQTT 5.0 section 3.1.3.2.2: the will is due when the session ends.
    if (fresh) this.#wills.send(id);
    const ended = fresh ? this.#sessions.end(id) : undefined;
    connection.session = new Session(id, maxRememberedPackets, kept ? this.#sessions.memory : undefined);
    connection.session.heldBy = connection;
    connection.receiving = new Set(connection.session.unreleased);
    if (connection.assignedClientId) internals.reportAssignedClientId(client, connection.clientId);
    internals.capKeepAlive(client, keepAliveSeconds, maxKeepAliveSeconds);
    internals.keepSession(client, kept);
    if (connection.will) {
      const { username, clientId, sessionEpoch } = connection;
      signWill(connection.will, { username, clientId, sessionEpoch });
    }
    connection.rate = this.#rate?.enter(connection.prefix);
    this.#delivery.attach(connection, kept);
    await Promise.all([ended, this.#sessions.open(id, facts, kept ? internals.expirySeconds(client) : undefined)]);
    // Only then: of a connection that was told of, a crash must be able to tell the end.
    await this.#presence.enter(connection, device, internals.keepAliveSeconds(client, keepAliveSeconds));
  }

  #publish(client: Client | null, packet: PublishPacket, done: (error?: Error | null) => void): void {
    const connection = client && this.#connections.get(client);
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
    const connection = this.#connections.get(client);
    await connection?.session?.release(packetId);
    connection?.receiving.delete(packetId);
  }

  /** What aedes reports of its clients. */
  #follow(): void {
    const broker = this.#broker;
    this.#persistence.onRelease = (client, packetId) => this.#release(client, packetId);
    broker.on("client", (client) => setImmediate(() => internals.forgetIfClosed(broker, client)));
    broker.on("clientReady", (client) => this.#begin(client));
    broker.on("subscribe", (subscriptions, client) => this.#subscribed(client, subscriptions));
    broker.on("keepaliveTimeout", (client) => {
      const connection = this.#connections.get(client);
      if (connection) connection.leaving ??= "keep-alive";
    });
    broker.on("clientDisconnect", (client) => {
      const connection = this.#connections.get(client);
      if (connection) this.#leave(connection);
    });
    // Without listeners an error of the broker would end the process; the connection at fault is closed by now.
    for (const event of ["error", "clientError", "connectionError"]) broker.addListener(event, () => {});
  }

  #begin(client: Client): void {
    const connection = this.#connections.get(client);
    if (!connection) return;
    if (connection.dropped !== undefined) {
      connection.drop(connection.dropped);
      return;
    }
    // aedes says "session present" only where there are subscriptions: one that nothing matches makes a session of one
    // that only publishes, as MQTT-3.2.2-2 wants it.
    if (connection.resumable)
      this.#persistence
        .addSubscriptions(client, [{ topic: SESSION, qos: 0 }])
        .catch(() => connection.drop(Reason.serverBusy));
    connection.outbound?.begin();
    // Where the registry cannot be asked, the next resumption asks again.
    if (connection.filters.size > 0) this.#current.resumed(connection).catch(() => {});
  }

  /** SUBACK is sent: what the platform has to say first follows. */
  #subscribed(client: Client, subscriptions: readonly { topic: string }[]): void {
    const connection = this.#connections.get(client);
    if (!connection) return;
    for (const { topic } of subscriptions) {
      if (isAnswered(topic)) internals.dropSubscription(this.#broker, client, topic);
      const filter = connection.due.delete(topic) ? connection.filters.get(topic) : undefined;
      if (filter) this.#current.subscribed(connection, filter).catch(() => {});
    }
  }

  #leave(connection: Connection): void {
    const { client, session, device, entered } = connection;
    if (connection.left) return;
    connection.left = true;
    if (this.#closing || client.disconnectReasonCode !== null) connection.leaving ??= "server";
    connection.rate?.leave();
    connection.controlRate?.leave();
    if (session) session.heldBy = undefined;
    if (entered && device) {
      const kept = connection.resumable && !internals.endsWithConnection(client);
      this.#sessions.leave(client.id, kept ? internals.expirySeconds(client) : undefined, this.#nowMs());
      this.#presence.leave(connection, device);
    }
    connection.end();
  }

  /** Connections that are one too many. */
  readonly #crowded = new WeakSet<Client>();

  #nowMs(): number {
    return Math.floor(this.#options.now() / 1000);
  }
}

/** @throws NoMorePackets where the connection has asked too much */
function countControl(connection: Connection): void {
  if (!connection.takesControl()) throw new NoMorePackets();
}
