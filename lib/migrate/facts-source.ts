import type { ChannelFileOptions } from "../channels/channel-file.ts";
import type { ChannelLog, Row } from "../channels/channel-log.ts";
import { ConsumerGroups } from "../channels/consumer-groups.ts";
import { partitionOf } from "../channels/kafka/partition-key.ts";
import { LogFile } from "../channels/log-file.ts";
import { checkApart, declaredName, prefixed } from "./channel-names.ts";

/** What is left of one channel: what its groups have not all consumed. */
export interface ChannelRest {
  topic: string;
  log: ChannelLog;
  /** Positions, [start, end). */
  start: number;
  end: number;
  groups: { name: string; next: number }[];
}

export interface Placed {
  row: Row;
  partition: number;
}

const ROWS_AT_ONCE = 500;

/** The facts file of a platform that does not run. */
export class FactsSource {
  readonly #file: LogFile;
  readonly channels: readonly ChannelRest[];

  /** @throws MigrationError of a channel with something left that is not declared */
  constructor(options: ChannelFileOptions, declared: readonly string[], namespace: string | undefined) {
    this.#file = new LogFile(options);
    try {
      this.channels = this.#rests(declared, namespace);
      checkApart(
        this.channels.map(({ topic }) => topic),
        options.file,
      );
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** In their order, each with the partition of its key; without a key they go round. */
  *rows({ log, start, end }: ChannelRest, partitions: number): Generator<Placed> {
    for (let position = start; position < end; ) {
      const rows = log.read(position, ROWS_AT_ONCE);
      for (const row of rows)
        yield { row, partition: row[1] === null ? row[0] % partitions : partitionOf(row[1], partitions) };
      position = (rows.at(-1)?.[0] ?? end) + 1;
    }
  }

  close(): void {
    this.#file.close();
  }

  #rests(declared: readonly string[], namespace: string | undefined): ChannelRest[] {
    const groups = new ConsumerGroups(this.#file);
    const known = groups.all();
    return this.#file.channels().flatMap((log) => {
      const start = Math.max(groups.floor(log.id) ?? 0, log.first());
      const end = log.end();
      if (start >= end) return [];
      const topic = prefixed(declaredName(log.name, declared, this.#file.path), namespace);
      const own = known.filter(({ channel }) => channel === log.id).map(({ name, next }) => ({ name, next }));
      return [{ topic, log, start, end, groups: own }];
    });
  }
}
