import { createHash } from "node:crypto";
import type { BrokerPersistence } from "./broker-persistence.ts";
import { type Connection, prefixOf } from "./connection.ts";
import type { Delivery } from "./delivery.ts";
import type { DeviceKey, EdgePolicy } from "./edge-policy.ts";
import type { OwnFilter } from "./own-filters.ts";

/**
 * Topics that have a current value: a new subscription begins with it, a change goes to all subscriptions, and a session
 * that is resumed is caught up where the change was missed, because nobody told this process of it. What was sent last is
 * on file, so that a value which is known is not sent again.
 */
export class CurrentValues {
  readonly #policy: Pick<EdgePolicy, "current">;
  readonly #delivery: Delivery;
  readonly #persistence: BrokerPersistence;
  readonly #get;
  readonly #put;
  /** Digests of values on their way into the queues. */
  readonly #sending = new Map<string, string>();

  constructor(policy: Pick<EdgePolicy, "current">, delivery: Delivery, persistence: BrokerPersistence) {
    this.#policy = policy;
    this.#delivery = delivery;
    this.#persistence = persistence;
    const { db } = persistence.file;
    this.#get = db.prepare("SELECT digest FROM told WHERE topic=?");
    this.#put = db.prepare("INSERT OR REPLACE INTO told(topic, digest) VALUES(?, ?)");
  }

  /** SUBACK is sent. */
  async subscribed(connection: Connection, filter: OwnFilter): Promise<void> {
    if (!connection.device) return;
    const payload = await this.#policy.current(connection.device, filter.canonical);
    if (!payload) return;
    await this.#delivery.sendCurrent(connection, filter, payload);
    // With another session, which may have missed a change, the value is not known to all.
    if (connection.resumable && !this.#told(filter.inner) && this.#subscribers(filter.inner) <= 1)
      await this.#remember(filter.inner, digestOf(payload));
  }

  /** A session goes on; its subscriptions are restored. */
  async resumed(connection: Connection): Promise<void> {
    const { device } = connection;
    if (!device) return;
    for (const { inner, canonical } of [...connection.filters.values()]) {
      const before = this.#told(inner);
      const payload = await this.#policy.current(device, canonical);
      // Where another was sent meanwhile it is the newer one.
      if (payload && before !== digestOf(payload) && this.#told(inner) === before)
        await this.send(device, canonical, payload);
    }
  }

  /** A new value, to all subscriptions; resolves when it is durable in the queue of every session that is kept. */
  async send(device: DeviceKey, topic: string, payload: Buffer): Promise<void> {
    const [inner, digest] = [prefixOf(device) + topic, digestOf(payload)];
    this.#sending.set(inner, digest);
    try {
      await this.#delivery.send(device, topic, payload);
      // Afterwards only: after a crash in between it is sent again rather than never.
      await this.#remember(inner, digest);
    } finally {
      if (this.#sending.get(inner) === digest) this.#sending.delete(inner);
    }
  }

  #told(inner: string): string | undefined {
    const sending = this.#sending.get(inner);
    if (sending !== undefined) return sending;
    this.#persistence.file.flush();
    const digest = this.#get.get(inner)?.["digest"];
    return digest === undefined ? undefined : String(digest);
  }

  #remember(inner: string, digest: string): Promise<void> {
    return this.#persistence.file.write(() => this.#put.run(inner, digest));
  }

  #subscribers(inner: string): number {
    return this.#persistence.subscriptions.matching(inner).length;
  }
}

const digestOf = (payload: Buffer) => createHash("sha256").update(payload).digest("base64url");
