import { ServiceBroker } from "moleculer";
import { deadChannelOf } from "../channels/dead-cause.ts";
import { RabbitmqWorkAdapter } from "../channels/rabbitmq/rabbitmq-work.ts";
import type { Ready } from "../channels/rabbitmq/ready.ts";
import type { QueuedItem } from "../channels/work-queue.ts";
import { MigrationError } from "./migration-error.ts";

export interface WorkTargetOptions {
  url: string;
  /** In messages. */
  target: string;
  declared: readonly string[];
  namespace: string | undefined;
  depthMax: number;
}

/** RabbitMQ, while no platform uses it. Every method throws MigrationError where it does not answer. */
export class WorkTarget {
  readonly #adapter: RabbitmqWorkAdapter;
  readonly #target: string;

  static async open({ url, target, declared, namespace, depthMax }: WorkTargetOptions): Promise<WorkTarget> {
    const adapter = new RabbitmqWorkAdapter({ url, depthMax, channels: declared });
    // It is never started: an adapter asks it for names and a log.
    const broker = new ServiceBroker({
      ...{ nodeID: "migration", logger: false, skipProcessEventRegistration: true },
      ...(namespace === undefined ? {} : { namespace }),
    });
    adapter.init(broker, broker.getLogger("migration") as unknown as Parameters<typeof adapter.init>[1]);
    const work = new WorkTarget(adapter, target);
    await work.#asked(() => adapter.connect());
    const { trouble } = adapter;
    if (trouble === undefined) return work;
    await work.close();
    throw new MigrationError(`${target} cannot be used: ${trouble.replace(/^work channel: RabbitMQ: /, "")}`);
  }

  private constructor(adapter: RabbitmqWorkAdapter, target: string) {
    this.#adapter = adapter;
    this.#target = target;
  }

  /** @throws MigrationError where one of the channel's queues has a consumer */
  async checkIdle(channel: string): Promise<void> {
    await this.#asked(async () => {
      for (const name of [channel, deadChannelOf(channel)])
        if ((await this.#adapter.consumers(this.#adapter.addPrefixTopic(name))) > 0)
          throw new MigrationError(`${this.#target} is in use: ${name} has a consumer; stop that platform`);
    });
  }

  /** Items of a channel and of its dead letters, together: what expires goes from one to the other. */
  async depth(channel: string): Promise<number> {
    return this.#asked(async () => {
      const depths = await this.#adapter.depths();
      const own = depths.filter((one) => one.channel === channel || one.channel === deadChannelOf(channel));
      return own.reduce((sum, { depth }) => sum + depth, 0);
    });
  }

  /** Resolves when the queue has confirmed it. */
  async put(name: string, item: QueuedItem): Promise<void> {
    await this.#asked(() => this.#adapter.takeOver(this.#adapter.addPrefixTopic(name), readyOf(item)));
  }

  async close(): Promise<void> {
    await this.#adapter.disconnect();
  }

  async #asked<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question();
    } catch (error) {
      if (error instanceof MigrationError) throw error;
      throw new MigrationError(`${this.#target}: ${(error as Error).message}`, { cause: error });
    }
  }
}

/** An item that was in work is due at once: its process has ended. */
const readyOf = ({ id, key, headers, value, published, due, deadline, deliveries, owner }: QueuedItem): Ready => ({
  content: Buffer.from(value),
  item: {
    ...{ id: `${published}-${id}`, position: id, published, key, deadline, deliveries },
    headers: headers === null ? {} : (JSON.parse(headers) as Record<string, string>),
    due: owner === null && due > Date.now() ? due : 0,
    ...{ failures: 0, copy: 0 },
  },
});
