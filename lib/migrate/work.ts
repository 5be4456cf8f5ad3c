import type { ChannelFileOptions } from "../channels/channel-file.ts";
import { deadChannelOf } from "../channels/dead-cause.ts";
import { WorkFile } from "../channels/work-file.ts";
import type { QueuedItem, WorkQueue } from "../channels/work-queue.ts";
import { checkApart, declaredName, withoutDead } from "./channel-names.ts";
import { MigrationError } from "./migration-error.ts";
import type { Comparison, MigrationPart } from "./part.ts";
import { WorkTarget, type WorkTargetOptions } from "./work-target.ts";

export type WorkOptions = ChannelFileOptions & WorkTargetOptions;

/** A channel with items, in the order in which they are sent: its dead letters first. */
interface WorkRest {
  channel: string;
  dead: WorkQueue | undefined;
  live: WorkQueue | undefined;
}

const ITEMS_AT_ONCE = 500;

/**
 * Items of work that are not at their end, with what is left of their delays and lives, and dead letters. One after the
 * other, each confirmed: so RabbitMQ has the first ones, whatever cut a former run off, and their number says how many.
 *
 * @throws MigrationError
 */
export async function workPart(options: WorkOptions): Promise<MigrationPart> {
  const file = new WorkFile(options);
  try {
    const rests = restsOf(file, options.declared);
    return new Work(file, rests, await WorkTarget.open(options), options.target);
  } catch (error) {
    file.close();
    throw error;
  }
}

class Work implements MigrationPart {
  readonly name = "work";
  readonly target: string;
  readonly #file: WorkFile;
  readonly #rests: readonly WorkRest[];
  readonly #rabbitmq: WorkTarget;

  constructor(file: WorkFile, rests: readonly WorkRest[], rabbitmq: WorkTarget, target: string) {
    this.#file = file;
    this.#rests = rests;
    this.#rabbitmq = rabbitmq;
    this.target = target;
  }

  async claim(_migrationId: string, begun: boolean): Promise<void> {
    for (const { channel } of this.#rests) {
      await this.#rabbitmq.checkIdle(channel);
      if (!begun && (await this.#rabbitmq.depth(channel)) > 0)
        throw new MigrationError(`${this.target} is not empty: its channel ${channel} has items`);
    }
  }

  async copy(): Promise<void> {
    for (const rest of this.#rests) {
      let there = await this.#rabbitmq.depth(rest.channel);
      for (const { name, item } of items(rest)) if (there-- <= 0) await this.#rabbitmq.put(name, item);
    }
  }

  async compare(): Promise<Comparison[]> {
    const comparisons: Comparison[] = [];
    for (const { channel, dead, live } of this.#rests) {
      const here = (dead?.depth() ?? 0) + (live?.depth() ?? 0);
      const there = await this.#rabbitmq.depth(channel);
      comparisons.push({
        what: `items and dead letters of ${channel}`,
        ...{ here: String(here), there: String(there) },
        differences: here === there ? [] : [`items and dead letters of ${channel}: ${here} here, ${there} there`],
      });
    }
    return comparisons;
  }

  async close(): Promise<void> {
    this.#file.close();
    await this.#rabbitmq.close();
  }
}

function restsOf(file: WorkFile, declared: readonly string[]): WorkRest[] {
  const queues = file.queues().filter((queue) => queue.depth() > 0);
  const named = queues.map((queue) => ({ queue, name: declaredName(queue.name, declared, file.path) }));
  checkApart(
    named.map(({ name }) => name),
    file.path,
  );
  const find = (wanted: string) => named.find(({ name }) => name === wanted)?.queue;
  const channels = [...new Set(named.map(({ name }) => withoutDead(name)))];
  return channels.map((channel) => ({ channel, dead: find(deadChannelOf(channel)), live: find(channel) }));
}

function* items({ channel, dead, live }: WorkRest): Generator<{ name: string; item: QueuedItem }> {
  for (const [name, queue] of [
    [deadChannelOf(channel), dead],
    [channel, live],
  ] as const) {
    let after = 0;
    for (
      let page = queue?.page(after, ITEMS_AT_ONCE) ?? [];
      page.length > 0;
      page = queue?.page(after, ITEMS_AT_ONCE) ?? []
    ) {
      for (const item of page) yield { name, item };
      after = page.at(-1)?.id ?? after;
    }
  }
}
