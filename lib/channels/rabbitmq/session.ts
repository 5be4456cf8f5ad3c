import { ChannelCommitError, ChannelDepthError, ChannelFullError, ChannelUnroutableError } from "../errors.ts";
import { rungFor } from "./delays.ts";
import { Depth } from "./depth.ts";
import { expirationOf, propertiesOf } from "./item.ts";
import type { AmqpLink, LinkEvents, LinkOptions } from "./link.ts";
import { heartbeatOf, type RabbitmqWorkOptions } from "./options.ts";
import type { Publisher } from "./publisher.ts";
import type { Ready } from "./ready.ts";
import { StallWatch } from "./stall.ts";
import { Topology } from "./topology.ts";
import { within } from "./within.ts";

export interface SessionHost {
  nodeId: string;
  publisher: Publisher;
  openLink(options: LinkOptions, events: LinkEvents): AmqpLink;
  /** The consumers' connection is there, or gone. */
  consuming: Omit<LinkEvents, "log">;
  /** Items of a channel that this process has in work. */
  inWork(name: string): number;
  /** The channel's queue is gone: who consumed it has to begin again. */
  gone(name: string): void;
  withoutPrefix(name: string): string;
  log(message: string, fields: object): void;
}

const STOP_CONFIRM_MS = 1000;

/** All that exists of the engine between connect and disconnect. */
export class RabbitSession {
  readonly topology: Topology;
  /** Apart from publishing: a broker in need of memory or disk stops listening to those who publish, and only to them. */
  readonly consuming: AmqpLink;
  readonly #publishing: AmqpLink;
  readonly #host: SessionHost;
  readonly #options: RabbitmqWorkOptions;
  readonly #stall: StallWatch;
  readonly #depths = new Map<string, Depth>();

  constructor(host: SessionHost, options: RabbitmqWorkOptions) {
    this.#host = host;
    this.#options = options;
    const { publisher } = host;
    const heartbeatSeconds = heartbeatOf(options);
    const link = (role: string, events: Omit<LinkEvents, "log">) =>
      host.openLink(
        {
          ...{ url: options.url, name: `${host.nodeId} ${role}`, heartbeatSeconds },
          ...{ connectTimeoutMs: options.connectTimeoutMs ?? 5000, retryMs: 100, retryMaxMs: 2000 },
        },
        { ...events, log: (message, fields) => host.log(message, { connection: role, ...fields }) },
      );
    this.topology = new Topology(host.log);
    this.#publishing = link("publisher", {
      up: async (connection) => {
        this.topology.up(connection);
        await publisher.up(connection, (reason) => this.#publishing.drop(reason));
      },
      down: () => {
        this.topology.down();
        publisher.down();
      },
    });
    this.consuming = link("consumer", host.consuming);
    // The broker gives a peer up after two heartbeats at the earliest.
    this.#stall = new StallWatch(heartbeatSeconds * 2000, (ms) =>
      this.consuming.drop(`this process hung for ${Math.round(ms)} ms`),
    );
  }

  get trouble(): string | undefined {
    return this.#publishing.trouble ?? this.consuming.trouble;
  }

  /** This process hung, and what it finds in its socket may be others' already. */
  get stalled(): boolean {
    return this.#stall.stalled;
  }

  /** Channels that something was published to. */
  get known(): Iterable<string> {
    return this.#depths.keys();
  }

  /** @throws Error when the broker refuses the user. */
  async open(): Promise<void> {
    await Promise.all([this.#publishing.open(), this.consuming.open()]);
  }

  /** Whoever stops waits for its items, and not for a broker that hangs. */
  stopping(): void {
    this.#host.publisher.limit(STOP_CONFIRM_MS);
  }

  /** Ends within three seconds, whatever the broker does. */
  async close(): Promise<void> {
    const { publisher } = this.#host;
    await within(1000, "confirmations", publisher.settle()).catch(() => {});
    publisher.close();
    this.#stall.stop();
    await Promise.all([this.#publishing.close(), this.consuming.close()]);
  }

  /**
   * Resolves when all items are confirmed; where there is no room for all, none is sent.
   *
   * @throws as `publish` of the adapter
   */
  async put(name: string, items: readonly Ready[]): Promise<void> {
    const { pending } = this.#host.publisher;
    if (pending + items.length > (this.#options.pendingMax ?? 20_000)) throw new ChannelFullError(pending);
    if (!this.topology.has(name)) await asked(this.topology.ensure(name));
    const depth = this.#depth(name);
    if (!depth.tryReserve(items.length) && !(await asked(depth.reserve(items.length))))
      throw new ChannelDepthError(this.#host.withoutPrefix(name), this.#depthMax);
    if (items.length === 1) return this.#store(depth, name, items[0] as Ready);
    const outcomes = await Promise.allSettled(items.map((item) => this.#store(depth, name, item)));
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed) throw failed.reason;
  }

  /** To the queue or, as long as it is not due, to a delay queue, in which it waits until its deadline at most. */
  async send(name: string, { item, content }: Ready): Promise<void> {
    const properties = propertiesOf(item);
    const now = Date.now();
    let queue = name;
    if (item.due > now) {
      const wait = Math.min(item.due, item.deadline ?? item.due) - now;
      queue = await asked(this.topology.ensureDelay(name, rungFor(Math.max(1, wait))));
    } else {
      const expiration = expirationOf(item.deadline, now);
      if (expiration !== undefined) properties.expiration = expiration;
    }
    try {
      await this.#host.publisher.publish(queue, content, properties);
    } catch (error) {
      // Deleted under us, perhaps: it is declared again the next time.
      this.topology.forget(queue);
      if (queue === name && error instanceof ChannelUnroutableError) this.#host.gone(name);
      throw error;
    }
  }

  /** What waits, what is delayed, and what this process has in work: of other processes' work AMQP tells nothing. */
  async count(name: string): Promise<number> {
    const waiting = await asked(this.topology.count(name));
    return waiting + this.#host.inWork(name);
  }

  /** Sends an item for which there is room. */
  async #store(depth: Depth, name: string, ready: Ready): Promise<void> {
    let stored = false;
    try {
      await this.send(name, ready);
      stored = true;
    } finally {
      depth.settle(1, stored);
    }
  }

  #depth(name: string): Depth {
    let depth = this.#depths.get(name);
    if (!depth) {
      depth = new Depth(this.#depthMax, () => this.count(name));
      this.#depths.set(name, depth);
    }
    return depth;
  }

  get #depthMax(): number {
    return this.#options.depthMax ?? 100_000;
  }
}

/** An engine that does not answer is away. */
async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw new ChannelCommitError(error);
  }
}
