import { Aedes, type Client, type ConnectPacket, type PublishPacket } from "aedes";
import type { BrokerPersistence } from "./broker-persistence.ts";
import type { Connection } from "./connection.ts";
import type { Delivery } from "./delivery.ts";
import type { Options } from "./edge-options.ts";
import { isAnswered, isOwn, restoreFilter } from "./own-filters.ts";

/** What the broker asks the edge. */
export interface BrokerHooks {
  connectionOf(client: Client): Connection | undefined;
  /** False where the CONNECT was refused already. */
  identify(client: Client, packet: ConnectPacket): boolean;
  /** Resolves to whether the client may come in; where not, it was told. */
  admit(client: Client, password: Buffer | undefined): Promise<boolean>;
  publish(client: Client | null, packet: PublishPacket, done: (error?: Error | null) => void): void;
  forward: Delivery["forward"];
}

/** aedes with the edge's limits and answers. */
export function createBroker(persistence: BrokerPersistence, options: Options, hooks: BrokerHooks): Aedes {
  return new Aedes({
    persistence,
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
      if (hooks.identify(client, packet)) done(null, true);
    },
    authenticate: (client, _username, password, done) => {
      void hooks.admit(client, password).then((admitted) => {
        if (admitted) done(null, true);
      });
    },
    authorizePublish: (client, packet, done) => hooks.publish(client, packet, done),
    authorizeSubscribe: (client, subscription, done) => {
      const connection = hooks.connectionOf(client);
      const own = connection && isOwn(subscription.topic, connection);
      if (own) restoreFilter(subscription, connection);
      done(null, own || isAnswered(subscription.topic) ? subscription : null);
    },
    authorizeForward: (client, packet) => {
      const connection = hooks.connectionOf(client);
      return connection ? hooks.forward(connection, packet) : null;
    },
  });
}
