import { Readable } from "node:stream";
import type { AedesPublishPacket } from "aedes";
import { OutgoingQueue, type QueueLimits } from "./outgoing-queue.ts";
import { packetOf, packetText, type QueuedPacket } from "./packet-text.ts";
import { type RetainedLimits, RetainedMessages } from "./retained-messages.ts";
import type { SessionFile } from "./session-file.ts";
import { type Match, type Subscription, Subscriptions } from "./subscriptions.ts";
import { type Will, Wills } from "./wills.ts";

export type PersistenceLimits = QueueLimits & RetainedLimits;

interface ClientId {
  id: string;
}

/**
 * aedes 2's persistence on a session file (the interface of aedes-persistence 10, which ships its abstract tests). What
 * resolves is durable.
 */
export class SqlitePersistence {
  readonly file: SessionFile;
  readonly subscriptions: Subscriptions;
  readonly queue: OutgoingQueue;
  readonly wills: Wills;
  readonly #retained: RetainedMessages;
  readonly #incoming;
  #broker: { id: string } = { id: "" };

  constructor(file: SessionFile, limits: PersistenceLimits) {
    this.file = file;
    this.subscriptions = new Subscriptions(file);
    this.queue = new OutgoingQueue(file, limits);
    this.wills = new Wills(file);
    this.#retained = new RetainedMessages(file, limits);
    this.#incoming = {
      put: file.db.prepare("INSERT OR REPLACE INTO incoming(client, message_id, packet, payload) VALUES(?, ?, ?, ?)"),
      get: file.db.prepare("SELECT packet, payload FROM incoming WHERE client=? AND message_id=?"),
      delete: file.db.prepare("DELETE FROM incoming WHERE client=? AND message_id=? RETURNING 1"),
    };
  }

  get broker(): { id: string } {
    return this.#broker;
  }

  async setup(broker: { id: string }): Promise<void> {
    this.#broker = broker;
  }

  storeRetained(packet: AedesPublishPacket): Promise<void> {
    return this.#retained.store(packet);
  }

  createRetainedStream(filter: string): Readable {
    return Readable.from(this.#retained.matching([filter]));
  }

  createRetainedStreamCombi(filters: string[]): Readable {
    return Readable.from(this.#retained.matching(filters));
  }

  addSubscriptions({ id }: ClientId, subscriptions: Subscription[]): Promise<void> {
    return this.subscriptions.add(id, subscriptions);
  }

  removeSubscriptions({ id }: ClientId, filters: string[]): Promise<void> {
    return this.subscriptions.remove(id, filters);
  }

  cleanSubscriptions({ id }: ClientId): Promise<void> {
    return this.subscriptions.clear(id);
  }

  async subscriptionsByClient({ id }: ClientId): Promise<Subscription[]> {
    return this.subscriptions.of(id);
  }

  async subscriptionsByTopic(topic: string): Promise<Match[]> {
    return this.subscriptions.matching(topic);
  }

  async countOffline(): Promise<{ subsCount: number; clientsCount: number }> {
    return { subsCount: this.subscriptions.count, clientsCount: [...this.subscriptions.clients].length };
  }

  getClientList(filter: string): Readable {
    const subscribed = (id: string) => this.subscriptions.of(id).some(({ topic }) => topic === filter);
    return Readable.from([...this.subscriptions.clients].filter(subscribed));
  }

  outgoingEnqueue({ clientId }: { clientId: string }, packet: AedesPublishPacket): Promise<void> {
    return this.queue.enqueue([{ client: clientId, packet: plain(packet) }]);
  }

  /**
   * Queues a message once per session, however many of its subscriptions match, with the highest of their QoS and all
   * of their identifiers (MQTT-3.3.4-2, -4); aedes would queue it per subscription.
   */
  outgoingEnqueueCombi(matches: Match[], packet: AedesPublishPacket): Promise<void> {
    const bySession = Map.groupBy(matches, ({ clientId }) => clientId);
    const entries = [...bySession].map(([client, own]) => ({ client, packet: this.#asSubscribed(packet, own) }));
    return entries.length === 0 ? Promise.resolve() : this.queue.enqueue(entries);
  }

  /** @throws Error where the session has no such message */
  async outgoingUpdate({ id }: ClientId, packet: QueuedPacket): Promise<void> {
    if (!(await this.queue.update(id, packet))) throw new Error("no such packet");
  }

  async outgoingClearMessageId({ id }: ClientId, packet: { messageId?: number }): Promise<QueuedPacket | undefined> {
    return packet.messageId === undefined ? undefined : this.queue.acknowledge(id, packet.messageId);
  }

  outgoingStream({ id }: ClientId): Readable {
    this.file.flush();
    return Readable.from(this.queue.after(id, 0, Number.MAX_SAFE_INTEGER).map(({ packet }) => packet));
  }

  incomingStorePacket({ id }: ClientId, packet: AedesPublishPacket): Promise<void> {
    const { messageId } = packet;
    const { text, payload } = packetText({ ...plain(packet), messageId });
    return this.file.write(() => this.#incoming.put.run(id, messageId ?? 0, text, payload));
  }

  async incomingGetPacket({ id }: ClientId, { messageId }: { messageId: number }): Promise<QueuedPacket> {
    this.file.flush();
    const row = this.#incoming.get.get(id, messageId);
    if (!row) throw new Error("no such packet");
    return packetOf(row["packet"], row["payload"]);
  }

  async incomingDelPacket({ id }: ClientId, { messageId }: { messageId: number }): Promise<void> {
    let found = false;
    await this.file.write(() => {
      found = this.#incoming.delete.get(id, messageId) !== undefined;
    });
    if (!found) throw new Error("no such packet");
  }

  putWill({ id }: ClientId, will: Will): Promise<void> {
    // The very object is the broker's; both fields are what the broker looks for.
    return this.wills.put(id, Object.assign(will, { brokerId: this.#broker.id, clientId: id }));
  }

  async getWill({ id }: ClientId): Promise<Will | undefined> {
    return this.wills.get(id);
  }

  delWill({ id }: ClientId): Promise<Will | undefined> {
    return this.wills.delete(id);
  }

  streamWill(brokers: Record<string, unknown> = {}): Readable {
    return Readable.from([...this.wills.all()].filter(({ brokerId }) => !brokerId || !(brokerId in brokers)));
  }

  async destroy(): Promise<void> {
    this.file.close();
  }

  #asSubscribed(packet: AedesPublishPacket, own: Match[]): QueuedPacket {
    const queued = plain(packet);
    // Without own QoS the broker asks for the message as it is.
    const qos = Math.max(...own.map((match) => match.qos ?? 2));
    if (qos < packet.qos) queued.qos = qos as 0 | 1 | 2;
    // Retain As Published (MQTT-3.3.1-12).
    if (!own.some(({ rap }) => rap)) queued.retain = false;
    const identifiers = own.map((match) => this.subscriptions.identifierOf(match)).filter((id) => id !== undefined);
    if (identifiers.length > 0)
      queued.properties = { ...packet.properties, subscriptionIdentifier: identifiers as unknown as number };
    return queued;
  }
}

/** The fields that a queued message needs, as aedes-packet copies them. */
function plain(packet: AedesPublishPacket): QueuedPacket {
  const { cmd = "publish", brokerId, brokerCounter = 0, topic, payload, qos, retain, dup } = packet;
  const { properties, messageExpiry } = packet as { properties?: object; messageExpiry?: number };
  return {
    ...{ cmd, topic, payload, qos: qos ?? 0, retain: retain ?? false, dup: dup ?? false, brokerCounter },
    ...(brokerId ? { brokerId } : {}),
    ...(properties ? { properties } : {}),
    ...(messageExpiry === undefined ? {} : { messageExpiry }),
  } as QueuedPacket;
}
