import type { SessionFile } from "./session-file.ts";
import { TopicTree } from "./topic-tree.ts";

/** A subscription as aedes hands it over and wants it back. */
export interface Subscription {
  topic: string;
  qos: number;
  rh?: number | undefined;
  rap?: boolean | undefined;
  nl?: boolean | undefined;
  subscriptionIdentifier?: number;
  /** The filter as the client said it, where it differs. */
  asked?: string;
}

/** A subscription that a message matches. */
export interface Match extends Omit<Subscription, "subscriptionIdentifier" | "asked"> {
  clientId: string;
}

/** Subscriptions of the sessions that outlive their connections: on file, and in memory to be matched. */
export class Subscriptions {
  readonly #file: SessionFile;
  readonly #byClient = new Map<string, Map<string, Subscription>>();
  readonly #tree = new TopicTree<Match>();
  readonly #put;
  readonly #delete;
  readonly #deleteAll;

  constructor(file: SessionFile) {
    this.#file = file;
    this.#put = file.db.prepare("INSERT OR REPLACE INTO subscription(client, filter, options) VALUES(?, ?, ?)");
    this.#delete = file.db.prepare("DELETE FROM subscription WHERE client=? AND filter=?");
    this.#deleteAll = file.db.prepare("DELETE FROM subscription WHERE client=?");
    for (const { client, filter, options } of file.db.prepare("SELECT * FROM subscription").iterate())
      this.#remember(String(client), { topic: String(filter), ...JSON.parse(String(options)) });
  }

  get count(): number {
    return this.#tree.size;
  }

  get clients(): IterableIterator<string> {
    return this.#byClient.keys();
  }

  async add(client: string, subscriptions: readonly Subscription[]): Promise<void> {
    const kept = subscriptions.map(({ topic, qos, rh, rap, nl, subscriptionIdentifier, asked }) => ({
      ...{ topic, qos, rh, rap, nl },
      ...(subscriptionIdentifier === undefined ? {} : { subscriptionIdentifier }),
      ...(asked === undefined ? {} : { asked }),
    }));
    await this.#file.write(() => {
      for (const { topic, ...options } of kept) this.#put.run(client, topic, JSON.stringify(options));
    });
    for (const subscription of kept) this.#remember(client, subscription);
  }

  async remove(client: string, filters: readonly string[]): Promise<void> {
    const known = this.#byClient.get(client);
    const gone = filters.filter((filter) => known?.has(filter));
    if (!known || gone.length === 0) return;
    await this.#file.write(() => {
      for (const filter of gone) this.#delete.run(client, filter);
    });
    for (const filter of gone) {
      known.delete(filter);
      this.#tree.delete(filter, client);
    }
    if (known.size === 0) this.#byClient.delete(client);
  }

  async clear(client: string): Promise<void> {
    const known = this.#byClient.get(client);
    if (!known) return;
    await this.#file.write(() => this.#deleteAll.run(client));
    this.#byClient.delete(client);
    for (const filter of known.keys()) this.#tree.delete(filter, client);
  }

  of(client: string): Subscription[] {
    return [...(this.#byClient.get(client)?.values() ?? [])].map((subscription) => ({ ...subscription }));
  }

  /** Those that messages of QoS 1 and 2 are queued for. */
  matching(topic: string): Match[] {
    return this.#tree.match(topic);
  }

  identifierOf({ clientId, topic }: Match): number | undefined {
    return this.#byClient.get(clientId)?.get(topic)?.subscriptionIdentifier;
  }

  #remember(client: string, { topic, qos, rh, rap, nl, ...rest }: Subscription): void {
    let known = this.#byClient.get(client);
    if (!known) {
      known = new Map();
      this.#byClient.set(client, known);
    }
    known.set(topic, { topic, qos, rh, rap, nl, ...rest });
    if (qos > 0) this.#tree.set(topic, client, { clientId: client, topic, qos, rh, rap, nl });
    else this.#tree.delete(topic, client);
  }
}
