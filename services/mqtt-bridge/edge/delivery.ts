import type { Aedes, AedesPublishPacket } from "aedes";
import * as internals from "./aedes-internals.ts";
import type { BrokerPersistence } from "./broker-persistence.ts";
import { type Connection, prefixOf } from "./connection.ts";
import { DurableOutbound } from "./durable-outbound.ts";
import type { Options } from "./edge-options.ts";
import type { DeviceKey } from "./edge-policy.ts";
import { MemoryOutbound, windowOf } from "./outbound.ts";
import { filterOf, type OwnFilter, outward } from "./own-filters.ts";
import { Reason } from "./reason.ts";

export interface DeliverOptions {
  /** @default 1 */
  qos?: 0 | 1 | 2;
  /** Also for whoever subscribes later. @default false */
  retain?: boolean;
  /** After that it is not delivered any more. */
  expirySeconds?: number;
}

/** Messages from the platform to devices. */
export class Delivery {
  readonly #broker: Aedes;
  readonly #persistence: BrokerPersistence;
  readonly #limits: Pick<Options, "maxInFlight" | "maxQueuedPerSession">;

  constructor(
    broker: Aedes,
    persistence: BrokerPersistence,
    limits: Pick<Options, "maxInFlight" | "maxQueuedPerSession">,
  ) {
    this.#broker = broker;
    this.#persistence = persistence;
    this.#limits = limits;
  }

  /** Resolves when it is handed over, and durable in the queue of every session that is kept. */
  async send(device: DeviceKey, topic: string, payload: Buffer, options: DeliverOptions = {}): Promise<void> {
    const { qos = 1, retain = false, expirySeconds } = options;
    const packet = {
      ...({ cmd: "publish", topic: prefixOf(device) + topic, payload, qos, retain, dup: false } as const),
      ...(expirySeconds === undefined ? {} : { properties: { messageExpiryInterval: expirySeconds } }),
    };
    await new Promise<void>((resolve, reject) => {
      this.#broker.publish(packet, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** To one connection, as the retained message that its new subscription begins with. */
  async sendCurrent(connection: Connection, filter: OwnFilter, payload: Buffer): Promise<void> {
    if (connection.client.closed) return;
    const { identifier: subscriptionIdentifier, qos, inner: topic } = filter;
    const packet = {
      ...({ cmd: "publish", topic, payload, qos: Math.min(1, qos) as 0 | 1, retain: true, dup: false } as const),
      ...(subscriptionIdentifier === undefined ? {} : { properties: { subscriptionIdentifier } }),
      // Of no broker: it is no repetition of another.
      brokerId: null,
    } as unknown as AedesPublishPacket;
    await new Promise<void>((resolve) => internals.deliver(connection.client, packet, resolve));
  }

  /** Takes over how messages of QoS 1 and 2 reach the client; before it has subscriptions. */
  attach(connection: Connection, kept: boolean): void {
    const { client } = connection;
    const window = windowOf(client, this.#limits.maxInFlight);
    const outboundTo = (deliver: internals.Deliver) =>
      kept ? this.#durable(connection, window) : this.#memory(connection, window, deliver);
    internals.replaceDelivery(client, (deliver) => {
      const outbound = outboundTo(deliver);
      connection.outbound = outbound;
      return (packet, done) => {
        if (packet.qos === 0) deliver(packet, done);
        else if (kept && packet.brokerId === null) this.#enqueue(connection, packet, done);
        else if (internals.fits(client, packet)) outbound.deliver(packet, done);
        else setImmediate(done);
      };
    });
  }

  /** A message on its way to a client: under the topic it knows, with the QoS it asked for; null where there is none. */
  forward(connection: Connection, packet: AedesPublishPacket): AedesPublishPacket | null {
    const filter = filterOf(packet.topic, connection);
    const topic = outward(packet.topic, connection);
    if (topic === undefined) return null;
    if (filter && filter.qos < packet.qos) packet.qos = filter.qos as 0 | 1;
    packet.topic = topic;
    return internals.fits(connection.client, packet) ? packet : null;
  }

  #durable(connection: Connection, window: number): DurableOutbound {
    return new DurableOutbound({
      client: connection.client,
      queue: this.#persistence.queue,
      window,
      outward: (topic) => outward(topic, connection),
      failed: () => connection.drop(Reason.serverBusy),
    });
  }

  #memory(connection: Connection, window: number, deliver: internals.Deliver): MemoryOutbound {
    const overflow = () => connection.drop(Reason.quotaExceeded);
    return new MemoryOutbound(deliver, window, this.#limits.maxQueuedPerSession, overflow);
  }

  /** A retained message is for one subscription, and is in no queue yet. */
  #enqueue(connection: Connection, packet: AedesPublishPacket, done: () => void): void {
    const qos = Math.min(packet.qos, filterOf(packet.topic, connection)?.qos ?? packet.qos) as 0 | 1 | 2;
    const { brokerId: _none, ...message } = packet;
    this.#persistence
      .outgoingEnqueue({ clientId: connection.client.id }, { ...message, qos } as AedesPublishPacket)
      .then(
        () => {
          (connection.outbound as DurableOutbound).pump();
          done();
        },
        () => {
          connection.drop(Reason.serverBusy);
          done();
        },
      );
  }
}
