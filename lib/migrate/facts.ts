import { z } from "zod";
import type { ChannelFileOptions } from "../channels/channel-file.ts";
import { type FactDigest, FactDigests } from "./fact-digests.ts";
import { type ChannelRest, FactsSource, type Placed } from "./facts-source.ts";
import { FactsTarget, type FactsTargetOptions } from "./facts-target.ts";
import type { Comparison, MigrationPart, Notes } from "./part.ts";

export interface FactsOptions extends ChannelFileOptions, FactsTargetOptions {
  /** Channels that there are, without namespace. */
  declared: readonly string[];
  namespace: string | undefined;
}

/** Offsets at which each topic began, by partition: what came before is of an earlier life of the topic, and gone. */
const Bases = z.record(z.string(), z.array(z.int().min(0)));
type Bases = z.output<typeof Bases>;

const MESSAGES_AT_ONCE = 500;
/** Characters of payload of one request, where it has more than one message. */
const CHARS_AT_ONCE = 300_000;

/**
 * Facts that some group has not consumed yet, and where each group goes on. In each partition they stand in the order
 * of the file, sent with one request outstanding: so what a partition has is the beginning of what it is to have,
 * whatever cut a former run off, and this one goes on behind it.
 *
 * @throws MigrationError
 */
export async function factsPart(options: FactsOptions): Promise<MigrationPart> {
  const { declared, namespace, target } = options;
  const source = new FactsSource(options, declared, namespace);
  try {
    return new Facts(source, await FactsTarget.open(options), target);
  } catch (error) {
    source.close();
    throw error;
  }
}

class Facts implements MigrationPart {
  readonly name = "facts";
  readonly target: string;
  readonly #source: FactsSource;
  readonly #kafka: FactsTarget;

  constructor(source: FactsSource, kafka: FactsTarget, target: string) {
    this.#source = source;
    this.#kafka = kafka;
    this.target = target;
  }

  async claim(_migrationId: string, begun: boolean): Promise<void> {
    for (const { topic, groups } of this.#source.channels) {
      for (const { name } of groups) await this.#kafka.checkIdle(topic, name);
      if (!begun) await this.#kafka.checkEmpty(topic);
    }
  }

  async copy(notes: Notes): Promise<void> {
    const bases = basesOf(notes);
    for (const rest of this.#source.channels) {
      const ends = await this.#kafka.ends(rest.topic);
      const base = bases[rest.topic] ?? ends;
      if (!bases[rest.topic]) notes.write(Object.assign(bases, { [rest.topic]: base }));
      await this.#send(
        rest,
        ends.map((end, partition) => end - (base[partition] ?? 0)),
      );
      await this.#place(rest, base);
    }
  }

  async compare(notes: Notes): Promise<Comparison[]> {
    const bases = basesOf(notes);
    const comparisons: Comparison[] = [];
    for (const rest of this.#source.channels) {
      const base = bases[rest.topic] ?? [];
      comparisons.push(
        compareFacts(rest.topic, this.#digests(rest, base.length), await this.#kafka.digests(rest.topic, base)),
      );
      for (const { name, next } of rest.groups)
        comparisons.push(compareLag(rest, name, next, await this.#kafka.lag(rest.topic, name)));
    }
    return comparisons;
  }

  async close(): Promise<void> {
    this.#source.close();
    await this.#kafka.close();
  }

  /** @param there how many each partition has already */
  async #send(rest: ChannelRest, there: readonly number[]): Promise<void> {
    const left = [...there];
    let batch: Placed[] = [];
    let chars = 0;
    for (const placed of this.#source.rows(rest, left.length)) {
      const { row, partition } = placed;
      const known = left[partition] ?? 0;
      left[partition] = known - 1;
      if (known > 0) continue;
      const { length } = row[3];
      if (batch.length >= MESSAGES_AT_ONCE || (batch.length > 0 && chars + length > CHARS_AT_ONCE)) {
        await this.#kafka.send(rest.topic, batch);
        batch = [];
        chars = 0;
      }
      batch.push(placed);
      chars += length;
    }
    await this.#kafka.send(rest.topic, batch);
  }

  /** Each group behind what it has consumed. */
  async #place(rest: ChannelRest, base: readonly number[]): Promise<void> {
    for (const { name, next } of rest.groups) {
      const offsets = base.map((offset, partition) => ({ partition, offset }));
      for (const { row, partition } of this.#source.rows({ ...rest, end: Math.min(next, rest.end) }, base.length)) {
        const place = offsets[partition];
        if (place && row[0] < next) place.offset++;
      }
      await this.#kafka.place(rest.topic, name, offsets);
    }
  }

  #digests(rest: ChannelRest, partitions: number): FactDigest[] {
    const digests = new FactDigests(partitions);
    for (const { row, partition } of this.#source.rows(rest, partitions)) {
      const [, key, headers, value] = row;
      digests.add(partition, key, headers === null ? {} : (JSON.parse(headers) as Record<string, string>), value);
    }
    return digests.results();
  }
}

const basesOf = (notes: Notes): Bases => Bases.parse(notes.read() ?? {});

function compareFacts(topic: string, here: readonly FactDigest[], there: readonly FactDigest[]): Comparison {
  const sum = (digests: readonly FactDigest[]) => String(digests.reduce((all, { count }) => all + count, 0));
  const differences = here.flatMap(({ count, digest }, partition) => {
    const other = there[partition];
    if (other?.count === count && other.digest === digest) return [];
    const how = other?.count === count ? "others there" : `${count} here, ${other?.count ?? 0} there`;
    return [`facts of ${topic}, partition ${partition}: ${how}`];
  });
  return { what: `facts of ${topic} that some group has to consume`, here: sum(here), there: sum(there), differences };
}

function compareLag(rest: ChannelRest, group: string, next: number, lag: number): Comparison {
  const left = rest.end - Math.max(next, rest.start);
  return {
    what: `facts of ${rest.topic} that group ${group} has to consume`,
    ...{ here: String(left), there: String(lag) },
    differences: lag === left ? [] : [`group ${group} of ${rest.topic}: ${left} to consume here, ${lag} there`],
  };
}
