import { Readable } from "node:stream";
import type { Client } from "aedes";
import { isPrivate } from "./own-filters.ts";
import type { QueuedPacket } from "./persistence/packet-text.ts";
import { SqlitePersistence } from "./persistence/sqlite-persistence.ts";
import type { Subscription } from "./persistence/subscriptions.ts";

/** The persistence as the embedded broker uses it: what the edge does better itself is not left to the broker. */
export class BrokerPersistence extends SqlitePersistence {
  /** Called for each PUBREL; PUBCOMP leaves when it resolves. */
  onRelease: (client: Client, packetId: number) => Promise<void> = async () => {};
  readonly #adding = new WeakMap<Subscription[], Promise<void>>();

  /** The broker calls once per filter, each time with all filters of the SUBSCRIBE, those refused too. */
  override addSubscriptions(client: { id: string }, subscriptions: Subscription[]): Promise<void> {
    const known = this.#adding.get(subscriptions);
    if (known) return known;
    const own = subscriptions.filter(({ topic }) => !isPrivate(topic));
    const adding = own.length === 0 ? Promise.resolve() : super.addSubscriptions(client, own);
    this.#adding.set(subscriptions, adding);
    return adding;
  }

  /** Queued messages are sent by the edge, which knows how many the client takes at once. */
  override outgoingStream(): Readable {
    return Readable.from([]);
  }

  override async outgoingClearMessageId(
    client: Client,
    packet: { messageId?: number },
  ): Promise<QueuedPacket | undefined> {
    return client.clean ? undefined : super.outgoingClearMessageId(client, packet);
  }

  /** A PUBREC for what is not known any more is answered all the same; as an error it would cut the connection. */
  override async outgoingUpdate({ id }: { id: string }, packet: QueuedPacket): Promise<void> {
    await this.queue.update(id, packet);
  }

  override async incomingGetPacket(client: { id: string }, { messageId }: { messageId: number }): Promise<never> {
    await this.onRelease(client as Client, messageId);
    // None: the broker answers PUBCOMP and looks for nothing to delete.
    return undefined as never;
  }
}
