import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { Aedes, type AedesPublishPacket, type Client, type ConnectPacket, type PublishPacket } from "aedes";
import { Admission } from "./admission.ts";
import * as internals from "./aedes-internals.ts";
import { ConnackError, ReturnCode } from "./connack.ts";
import { Connection } from "./connection.ts";
import { type EdgeOptions, withDefaults } from "./edge-options.ts";
import type { DeviceKey, EdgePolicy } from "./edge-policy.ts";
import { hangUpOnDestroy } from "./hang-up.ts";
import { Inbound } from "./inbound.ts";
import { Listeners } from "./listeners.ts";
import { refuseMalformedProperties } from "./malformed-properties.ts";
import { isOwn, outward, ownFilters, SESSION } from "./own-filters.ts";
import { ParkedSessions } from "./parked-sessions.ts";
import { Reason } from "./reason.ts";
import { Session } from "./session.ts";

const LINGER_MS = 500;
const SWEEP_MS = 60_000;

/**
 * An MQTT 3.1.1 and 5 broker in the process: PUBACK and PUBREC leave after the message is durable, refusals carry their
 * reason code, and devices see nothing but their own topics. Sessions outlive connections but not the process.
 */
export class EmbeddedEdge {
  /** URLs it listens on, `mqtt://…` then `ws://…`. */
  readonly listening: string[] = [];
  readonly #options: Required<EdgeOptions>;
  readonly #policy: EdgePolicy;
  readonly #broker: Aedes;
  readonly #listeners: Listeners;
  readonly #admission: Admission;
  readonly #inbound: Inbound;
  readonly #parked: ParkedSessions;
  readonly #connections = new WeakMap<Client, Connection>();
  readonly #sweeper: NodeJS.Timeout;
  #closing: Promise<void> | undefined;

  /** @throws Error naming the port where one cannot be listened on; nothing is left open then. */
  static async start(policy: EdgePolicy, options: EdgeOptions = {}): Promise<EmbeddedEdge> {
    const edge = new EmbeddedEdge(policy, withDefaults(options));
    try {
      await edge.#broker.listen();
      internals.onRelease(edge.#broker, (client, packetId) => edge.#release(client, packetId));
      edge.listening.push(await edge.#listeners.listenTcp(edge.#options.port));
      edge.listening.push(await edge.#listeners.listenWebSocket(edge.#options.wsPort));
      return edge;
    } catch (error) {
      await edge.close();
      throw error;
    }
  }

  private constructor(policy: EdgePolicy, options: Required<EdgeOptions>) {
    this.#policy = policy;
    this.#options = options;
    this.#admission = new Admission(policy, options);
    this.#inbound = new Inbound(policy, options);
    this.#listeners = new Listeners(options, (stream, request) => this.#accept(stream, request));
    this.#broker = new Aedes({
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
        this.#identify(client, packet);
        done(null, true);
      },
      authenticate: (client, _username, password, done) => {
        this.#authenticate(client, password).then(
          () => done(null, true),
          (error) => done(error, false),
        );
      },
      authorizePublish: (client, packet, done) => this.#publish(client, packet, done),
      authorizeSubscribe: (client, subscription, done) => {
        const connection = this.#connections.get(client);
        done(null, connection && isOwn(subscription.topic, connection) ? subscription : null);
      },
      authorizeForward: (client, packet) => this.#forward(client, packet),
    });
    this.#parked = new ParkedSessions(options.maxParkedSessions, options.maxSessionSeconds, (client) =>
      internals.wipeSession(this.#broker, client),
    );
    this.#sweeper = setInterval(() => this.#parked.sweep(Date.now()), SWEEP_MS).unref();
    this.#follow();
  }

  /** Connections, those not yet authenticated included. */
  get connections(): number {
    return this.#listeners.connections;
  }

  /** PUBLISHes to topics that are not the device's own. */
  get refused(): number {
    return this.#inbound.refused;
  }

  /** Sends to the device's subscriptions on one of its topics; resolves when it is handed over or queued. */
  async deliver(device: DeviceKey, topic: string, payload: Buffer, qos: 0 | 1 = 1): Promise<void> {
    const packet = {
      cmd: "publish",
      topic: prefixOf(device) + topic,
      payload,
      qos,
      retain: false,
      dup: false,
    } as const;
    await new Promise<void>((resolve, reject) => {
      this.#broker.publish(packet, (error) => (error ? reject(error) : resolve()));
    });
  }

  /**
   * Stops: no new connections, what is being committed is answered, MQTT 5 clients learn why (0x8B). Ends
   * within `drainTimeoutMs` and two seconds, whatever the clients and the channel do.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#sweeper);
    this.#listeners.stopAccepting();
    for (const client of internals.connectedClients(this.#broker)) internals.stopReading(client);
    await this.#inbound.idle(this.#options.drainTimeoutMs);
    // Answers leave at the end of the turn in which the last commit ended.
    await new Promise((resolve) => setImmediate(resolve));
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    this.#broker.close(resolve);
    await this.#listeners.closed(2 * LINGER_MS);
    await Promise.race([closed, new Promise((expired) => setTimeout(expired, LINGER_MS).unref())]);
  }

  #accept(stream: Duplex, request: IncomingMessage | undefined): void {
    const client = this.#broker.handle(stream, request);
    hangUpOnDestroy(stream, () => client.closed, LINGER_MS);
    internals.guardParser(client);
    internals.beforePackets(client, (packet) => {
      refuseMalformedProperties(packet);
      const connection = this.#connections.get(client);
      const device = connection?.device;
      if (device) ownFilters(packet, connection, (filter) => this.#policy.maySubscribe(device, filter));
    });
  }

  /** Before a CONNECT is believed: gives the client an id that only its device can have. */
  #identify(client: Client, packet: ConnectPacket): void {
    const device = this.#policy.identify({ username: packet.username, clientId: packet.clientId });
    // Left empty where 3.1.1 wants a refusal: an id must be given to keep a session (MQTT-3.1.3-8).
    const given = packet.clientId || (packet.protocolVersion === 5 || packet.clean ? randomUUID() : "");
    const connection = new Connection(client, packet, device, given);
    this.#connections.set(client, connection);
    client.conn.once("close", () => {
      if (!internals.isRegistered(this.#broker, client)) connection.end();
    });
    if (given) packet.clientId = `${connection.prefix || "@/"}${given}`;
  }

  async #authenticate(client: Client, password: Buffer | undefined): Promise<void> {
    const connection = this.#connections.get(client);
    if (!connection) throw new Error("no connection");
    await this.#admission.admit(connection, password);
    // Asked for after the registry was, which takes its time.
    if (this.#closing) throw new ConnackError(ReturnCode.serverUnavailable, "the server is stopping");
    // Gone meanwhile: the session stays parked for the client's next attempt.
    if (client.closed) return;
    if (connection.assignedClientId) internals.reportAssignedClientId(client, connection.clientId);
    connection.resumable = !internals.endsWithConnection(client);
    const parked = this.#parked.take(client.id);
    connection.session =
      (connection.cleanStart ? undefined : parked) ?? new Session(this.#options.maxRememberedPackets);
    connection.session.heldBy = connection;
    connection.receiving = new Set(connection.session.unreleased);
    internals.capKeepAlive(client, connection.keepAliveSeconds, this.#options.maxKeepAliveSeconds);
    internals.keepQueueOnResume(client);
    if (client.version === 5)
      connection.released = internals.limitInFlight(client, this.#options.maxQueuedPerClient, () =>
        client.disconnect({ reasonCode: Reason.quotaExceeded }),
      );
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
    // MQTT 5.0 section 3.1.2.5 lets a server that stops keep wills back; this one's sessions end with it.
    if (!this.#closing) this.#inbound.will(connection.device, connection, packet);
    done(new Error("wills are not routed"));
  }

  #forward(client: Client, packet: AedesPublishPacket): AedesPublishPacket | null {
    const connection = this.#connections.get(client);
    const topic = connection && outward(packet.topic, connection);
    if (topic === undefined) return null;
    packet.topic = topic;
    return internals.fits(client, packet) ? packet : null;
  }

  #release(client: Client, packetId: number): void {
    const connection = this.#connections.get(client);
    connection?.session?.unreleased.delete(packetId);
    connection?.receiving.delete(packetId);
  }

  /** What aedes reports of its clients. */
  #follow(): void {
    const broker = this.#broker;
    broker.on("client", (client) => setImmediate(() => internals.forgetIfClosed(broker, client)));
    broker.on("clientReady", (client) => {
      internals.settleSession(client);
      if (this.#connections.get(client)?.resumable) void internals.markSession(broker, client, SESSION);
    });
    broker.on("ack", (_packet, client) => this.#connections.get(client)?.released?.());
    broker.on("clientDisconnect", (client) => this.#leave(client));
    broker.on("sessionExpired", (client) => void this.#parked.take(client.id));
    broker.on("sessionLimitReached", (client) => void this.#parked.take(client.id));
    // Without listeners an error of the broker would end the process; the connection at fault is closed by now.
    for (const event of ["error", "clientError", "connectionError"]) broker.addListener(event, () => {});
  }

  #leave(client: Client): void {
    const connection = this.#connections.get(client);
    if (!connection) return;
    const { session } = connection;
    if (session && !internals.endsWithConnection(client)) this.#parked.park(client, session, Date.now());
    connection.end();
  }
}

const prefixOf = ({ tenantId, deviceId }: DeviceKey) => `@${tenantId}/${deviceId}/`;
