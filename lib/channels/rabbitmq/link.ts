import type { ChannelModel } from "amqplib";
import { type BackOffOptions, backOff } from "../back-off.ts";
import { within } from "./within.ts";

export interface LinkOptions extends BackOffOptions {
  /** `amqp://` or `amqps://`, with user, password and virtual host. */
  url: string;
  /** What the broker shows the connection as. */
  name: string;
  /** Seconds between two signs of life; a peer that is silent for two or three of them is gone. */
  heartbeatSeconds: number;
  connectTimeoutMs: number;
}

export interface LinkEvents {
  /** There is a connection; it counts when this has resolved. */
  up(connection: ChannelModel): Promise<void>;
  /** It is gone: whatever came with it is void. */
  down(reason: string): void;
  log(message: string, fields: object): void;
}

const CLOSE_MS = 1000;
/** A broker that will refuse the next attempt as well: wrong password. */
const REFUSED = /ACCESS.REFUSED/;
/** All that amqplib tells of a virtual host that isn't there; of one that a crash has left down, too: it may come. */
const NO_HOST = /^Expected ConnectionOpenOk/;

/** One connection to RabbitMQ that comes back by itself until it is closed. */
export class AmqpLink {
  readonly #options: LinkOptions;
  readonly #events: LinkEvents;
  readonly #closed = new AbortController();
  #connection: ChannelModel | undefined;
  /** Why there is no connection at present. */
  #trouble: string | undefined = "not connected yet";
  #blocked: string | undefined;

  constructor(options: LinkOptions, events: LinkEvents) {
    this.#options = options;
    this.#events = events;
  }

  get trouble(): string | undefined {
    return this.#trouble ?? this.#blocked;
  }

  get connection(): ChannelModel | undefined {
    return this.#connection;
  }

  /**
   * Resolves when the first attempt is over. A broker that is away is tried for again from then on.
   *
   * @throws Error when the broker refuses the user.
   */
  async open(): Promise<void> {
    const first = Promise.withResolvers<void>();
    void this.#run(first);
    await first.promise;
  }

  /** Gives the connection up, as one does that answers no more; a new one is made. */
  drop(reason: string): void {
    const connection = this.#connection;
    if (!connection) return;
    this.#connection = undefined;
    this.#trouble = reason;
    // At once: what still comes over it is void.
    this.#events.down(reason);
    void hangUp(connection);
  }

  /** Ends within two seconds, whatever the broker does. */
  async close(): Promise<void> {
    this.#closed.abort();
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection) await hangUp(connection);
  }

  protected async dial(): Promise<ChannelModel> {
    const { url, name, heartbeatSeconds, connectTimeoutMs } = this.#options;
    // Loaded here: who has no RabbitMQ loads nothing of it.
    const { connect } = await import("amqplib");
    const target = new URL(url);
    target.searchParams.set("heartbeat", String(heartbeatSeconds));
    return connect(target.href, {
      timeout: connectTimeoutMs,
      noDelay: true,
      clientProperties: { connection_name: name },
    });
  }

  async #run(first: PromiseWithResolvers<void>): Promise<void> {
    const { signal } = this.#closed;
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#live(() => {
          failures = 0;
          first.resolve();
        });
      } catch (error) {
        const { message } = error as Error;
        this.#trouble = NO_HOST.test(message) ? "does not open the URL's virtual host" : message;
        // The reason of one outage is told once, not with each attempt.
        if (failures === 0)
          this.#events.log("RabbitMQ cannot be reached; it is tried again.", { reason: this.#trouble });
        if (REFUSED.test(this.#trouble)) first.reject(error as Error);
      }
      first.resolve();
      await backOff(++failures, this.#options, signal).catch(() => {});
    }
  }

  /** One life of the connection, from its first attempt to its loss. */
  async #live(connected: () => void): Promise<void> {
    const connection = await this.dial();
    const lost = Promise.withResolvers<void>();
    let reason = "the connection was closed";
    // Without a listener it would be thrown.
    connection.on("error", (error: Error) => {
      reason = error.message;
    });
    connection.once("close", () => lost.resolve());
    connection.on("blocked", (why: string) => {
      this.#blocked = `takes no messages: ${why}`;
      this.#events.log("RabbitMQ takes no messages at present.", { reason: why });
    });
    connection.on("unblocked", () => {
      this.#blocked = undefined;
    });
    try {
      if (this.#closed.signal.aborted) return;
      this.#connection = connection;
      await Promise.race([this.#events.up(connection), lost.promise.then(() => Promise.reject(new Error(reason)))]);
      this.#trouble = undefined;
      connected();
      await lost.promise;
    } finally {
      this.#connection = undefined;
      this.#blocked = undefined;
      this.#trouble ??= reason;
      this.#events.down(reason);
      await hangUp(connection);
    }
  }
}

/** Says goodbye; where nobody answers the line is cut, because an open socket would keep the process alive. */
async function hangUp(connection: ChannelModel): Promise<void> {
  await within(CLOSE_MS, "closing the connection", connection.close()).catch(() => {});
  // Not in amqplib's types.
  const { stream } = connection.connection as unknown as { stream?: { destroy(): void } };
  stream?.destroy();
}
