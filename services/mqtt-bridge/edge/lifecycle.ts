import { randomUUID } from "node:crypto";
import type { Aedes, Client, ConnectPacket } from "aedes";
import type { Admission } from "./admission.ts";
import * as internals from "./aedes-internals.ts";
import type { BrokerPersistence } from "./broker-persistence.ts";
import { ConnackError, Refused, refuseConnect } from "./connack.ts";
import { Connection } from "./connection.ts";
import type { CurrentValues } from "./current-values.ts";
import type { Delivery } from "./delivery.ts";
import type { Options } from "./edge-options.ts";
import type { DeviceKey, EdgePolicy } from "./edge-policy.ts";
import { MessageRate } from "./message-rate.ts";
import { SESSION } from "./own-filters.ts";
import type { StoredSessions } from "./persistence/stored-sessions.ts";
import type { Presence } from "./presence.ts";
import { Reason } from "./reason.ts";
import { type RecoveredWills, signWill } from "./recovered-wills.ts";
import { Session } from "./session.ts";
import { isSupported } from "./strict-packets.ts";

export interface LifecycleParts {
  policy: EdgePolicy;
  options: Options;
  broker: Aedes;
  persistence: BrokerPersistence;
  sessions: StoredSessions;
  admission: Admission;
  presence: Presence;
  wills: RecoveredWills;
  delivery: Delivery;
  current: CurrentValues;
  isClosing(): boolean;
}

/** Connections from their CONNECT to their end: who they are, that they are let in, what they begin with and leave. */
export class Lifecycle {
  readonly #parts: LifecycleParts;
  readonly #rate: MessageRate | undefined;
  readonly #connections = new WeakMap<Client, Connection>();
  readonly #crowded = new WeakSet<Client>();

  constructor(parts: LifecycleParts) {
    this.#parts = parts;
    this.#rate = MessageRate.of(parts.options.maxMessagesPerSecond);
  }

  /** The client's connection, from its CONNECT on. */
  of(client: Client): Connection | undefined {
    return this.#connections.get(client);
  }

  /** The connection is one too many: its CONNECT is to be refused. */
  crowd(client: Client): void {
    this.#crowded.add(client);
  }

  /** Before a CONNECT is believed: gives the client an id that only its device can have. False where it is refused. */
  identify(client: Client, packet: ConnectPacket): boolean {
    if (this.#crowded.has(client)) {
      refuseConnect(client, packet.protocolVersion ?? 4, Refused.quotaExceeded);
      return false;
    }
    if (!isSupported(packet)) {
      refuseConnect(client, packet.protocolVersion ?? 4, Refused.version);
      return false;
    }
    const device = this.#parts.policy.identify({ username: packet.username, clientId: packet.clientId });
    // Left empty where 3.1.1 wants a refusal: an id must be given to keep a session (MQTT-3.1.3-8).
    const given = packet.clientId || (packet.protocolVersion === 5 || packet.clean ? randomUUID() : "");
    const connection = new Connection(client, packet, device, given);
    this.#connections.set(client, connection);
    client.conn.once("close", () => {
      if (!internals.isRegistered(this.#parts.broker, client)) this.leave(connection);
    });
    if (given) packet.clientId = `${connection.prefix || "@/"}${given}`;
    return true;
  }

  /** Checks a CONNECT and lets its client in; resolves to whether it is. Where not, it was told. */
  async admit(client: Client, password: Buffer | undefined): Promise<boolean> {
    const connection = this.of(client);
    if (!connection) return false;
    try {
      await this.#authenticate(connection, password);
      return true;
    } catch (error) {
      refuseConnect(client, connection.version, error instanceof ConnackError ? error.code : Refused.unavailable);
      return false;
    }
  }

  async #authenticate(connection: Connection, password: Buffer | undefined): Promise<void> {
    const { client } = connection;
    await this.#parts.admission.admit(connection, password);
    // Asked for after the registry was, which takes its time.
    if (this.#parts.isClosing()) throw new ConnackError(Refused.unavailable, "the server is stopping");
    // Gone meanwhile: the session stays parked for the client's next attempt.
    if (client.closed) return;
    try {
      await this.#enter(connection, connection.device as DeviceKey);
    } catch (cause) {
      // While nothing can be stored nobody is let in, and with the next attempt it is tried again.
      throw new ConnackError(Refused.unavailable, `not stored: ${(cause as Error).message}`, { cause });
    } finally {
      if (client.closed) this.leave(connection);
    }
  }

  /** CONNACK is sent. */
  begin(client: Client): void {
    const connection = this.of(client);
    if (!connection) return;
    if (connection.dropped !== undefined) {
      connection.drop(connection.dropped);
      return;
    }
    // aedes says "session present" only where there are subscriptions: one that nothing matches makes a session of one
    // that only publishes, as MQTT-3.2.2-2 wants it.
    if (connection.resumable)
      this.#parts.persistence
        .addSubscriptions(client, [{ topic: SESSION, qos: 0 }])
        .catch(() => connection.drop(Reason.serverBusy));
    connection.outbound?.begin();
    // Where the registry cannot be asked, the next resumption asks again.
    if (connection.filters.size > 0) this.#parts.current.resumed(connection).catch(() => {});
  }

  async #enter(connection: Connection, device: DeviceKey): Promise<void> {
    const { client, keepAliveSeconds, cleanStart } = connection;
    const { maxKeepAliveSeconds, maxRememberedPackets } = this.#parts.options;
    const { id } = client;
    connection.entered = true;
    connection.resumable = !internals.endsWithConnection(client);
    const kept = !cleanStart || connection.resumable;
    const { tenantId, deviceId } = device;
    const facts = { tenantId, deviceId, sessionEpoch: connection.sessionEpoch };
    const fresh = cleanStart || this.#parts.sessions.hasExpired(id, this.#nowMs());
    // MQTT 5.0 section 3.1.3.2.2: the will is due when the session ends.
    if (fresh) this.#parts.wills.send(id);
    const ended = fresh ? this.#parts.sessions.end(id) : undefined;
    connection.session = new Session(id, maxRememberedPackets, kept ? this.#parts.sessions.memory : undefined);
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
    this.#parts.delivery.attach(connection, kept);
    await Promise.all([
      ended,
      this.#parts.sessions.open(id, facts, kept ? internals.expirySeconds(client) : undefined),
    ]);
    // Only then: of a connection that was told of, a crash must be able to tell the end.
    await this.#parts.presence.enter(connection, device, internals.keepAliveSeconds(client, keepAliveSeconds));
  }

  /** Its connection is over; called as often as anybody notices. */
  leave(connection: Connection): void {
    const { client, session, device, entered } = connection;
    if (connection.left) return;
    connection.left = true;
    if (this.#parts.isClosing() || client.disconnectReasonCode !== null) connection.leaving ??= "server";
    connection.rate?.leave();
    connection.controlRate?.leave();
    if (session) session.heldBy = undefined;
    if (entered && device) {
      const kept = connection.resumable && !internals.endsWithConnection(client);
      this.#parts.sessions.leave(client.id, kept ? internals.expirySeconds(client) : undefined, this.#nowMs());
      this.#parts.presence.leave(connection, device);
    }
    connection.end();
  }

  #nowMs(): number {
    return Math.floor(this.#parts.options.now() / 1000);
  }
}
