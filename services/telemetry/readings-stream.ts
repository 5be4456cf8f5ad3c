import { Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { StreamType } from "../../lib/contract.ts";
import { instantOf } from "../../lib/instant.ts";
import { csvHeader, csvLine } from "./csv.ts";
import { isFull } from "./reading-store/page-weight.ts";
import type {
  AggregateQuery,
  IntervalAggregate,
  RangeQuery,
  ReadingStore,
  StoredReading,
} from "./reading-store/reading-store.ts";
import { aggregateOf, readingOf } from "./readings-query.ts";

/** Items that are read at once: what a stream holds in memory, beside what waits for a slow reader. */
const PAGE = 500;

/** How items become lines of text. */
interface Format<Item> {
  header: string;
  line(item: Item): string;
}

/**
 * All that the query finds, from page to page of the store, as fast as it is read: between two pages nothing is held
 * open, so that a slow reader, or one that went away, holds up nobody. Not a snapshot: what is written or deleted
 * behind the place of the stream is in it or not.
 */
export async function readingsStream(store: ReadingStore, query: RangeQuery, type: StreamType): Promise<Readable> {
  const columns = query.metrics ?? (await store.metrics(query));
  const format = type === "text/csv" ? readingCsv(columns) : { header: "", line: jsonLine(readingOf) };
  const place = ({ ts, seq }: StoredReading) => ({ ts, seq });
  return lines(query.limit, format, (limit, last) =>
    store.range({ ...query, limit, ...(last ? { after: place(last) } : {}) }),
  );
}

/** The same for aggregates. */
export async function aggregatesStream(store: ReadingStore, query: AggregateQuery, type: StreamType) {
  const columns = query.metrics ?? (await store.metrics(query));
  const format =
    type === "text/csv" ? aggregateCsv(columns, query.functions) : { header: "", line: jsonLine(aggregateOf) };
  return lines(query.limit, format, (limit, last) =>
    store.aggregate({ ...query, limit, ...(last ? { afterStart: last.start } : {}) }),
  );
}

function lines<Item extends StoredReading | IntervalAggregate>(
  itemsMax: number,
  { header, line }: Format<Item>,
  pageAfter: (limit: number, last: Item | undefined) => Promise<Item[]>,
): Readable {
  async function* chunks(): AsyncGenerator<string> {
    if (header) yield header;
    let last: Item | undefined;
    for (let left = itemsMax; left > 0; ) {
      const limit = Math.min(PAGE, left);
      const page = await pageAfter(limit, last);
      if (page.length > 0) yield page.map(line).join("");
      if (!isFull(page as StoredReading[], limit)) return;
      last = page.at(-1);
      left -= page.length;
      // A reader that is as fast as the store would never let anything else run.
      await nextTurn();
    }
  }
  return Readable.from(chunks(), { objectMode: false });
}

const jsonLine =
  <Item>(seen: (item: Item) => object) =>
  (item: Item) =>
    `${JSON.stringify(seen(item))}\n`;

const readingCsv = (metrics: readonly string[]): Format<StoredReading> => ({
  header: csvHeader(["ts", ...metrics]),
  line: ({ ts, values }) => `${instantOf(ts)},${csvLine(metrics.map((name) => own(values, name)))}`,
});

const aggregateCsv = (
  metrics: readonly string[],
  functions: AggregateQuery["functions"],
): Format<IntervalAggregate> => ({
  header: csvHeader(["start", "end", ...metrics.flatMap((name) => functions.map((one) => `${name}.${one}`))]),
  line: ({ start, end, metrics: found }) =>
    `${instantOf(start)},${instantOf(end)},${csvLine(
      metrics.flatMap((name) => functions.map((one) => own(found, name)?.[one])),
    )}`,
});

/** A metric may be called `constructor`. */
const own = <V>(values: Record<string, V>, name: string): V | undefined =>
  Object.hasOwn(values, name) ? values[name] : undefined;
