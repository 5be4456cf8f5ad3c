import type { BsonDocument } from "./bson-value.ts";
import type { CollectionEntry } from "./catalog.ts";
import { serverError } from "./errors.ts";
import type { Filter } from "./filter.ts";
import { compileFilter, type Predicate } from "./match.ts";
import { pushdownFilter, pushdownSort } from "./pushdown.ts";
import { decodeRow } from "./row-codec.ts";
import { compareSortKeys, type SortField, sortKeysOf } from "./sort.ts";
import type { StoreFile } from "./store-file.ts";

/** A stored document and its row number. */
export interface Row {
  r: number;
  document: BsonDocument;
}

/** A checked query. */
export interface Query {
  filter: Filter;
  sort: readonly SortField[];
  skip: number;
  /** 0 = no limit. */
  limit: number;
}

/** The rows that may match, in the order asked for if SQLite knows it. */
export interface Plan {
  from: string;
  order: string | undefined;
  params: (string | number)[];
}

export function planQuery(entry: CollectionEntry, filter: Filter, sort: readonly SortField[]): Plan {
  const condition = pushdownFilter(filter, entry);
  const from = `FROM ${entry.table}${condition ? ` WHERE ${condition.sql}` : ""}`;
  return { from, order: pushdownSort(sort, filter, entry), params: condition?.params ?? [] };
}

/** Text that a sort without an index may hold in memory, characters. MongoDB's limit is 100 MB, too. */
export const SORT_CHARACTERS_MAX = 100 * 1024 * 1024;

/** The matching rows, sorted, skipped and limited. To be run to its end, or left, inside one transaction. */
export function* scan(file: StoreFile, entry: CollectionEntry, query: Query): Generator<Row> {
  const plan = planQuery(entry, query.filter, query.sort);
  const matches = compileFilter(query.filter);
  const rows =
    plan.order === undefined ? sortedRows(file, plan, matches, query.sort) : matchingRows(file, plan, matches);
  let toSkip = query.skip;
  let left = query.limit === 0 ? Number.POSITIVE_INFINITY : query.limit;
  for (const row of rows) {
    if (toSkip > 0) {
      toSkip--;
      continue;
    }
    yield row;
    if (--left <= 0) return;
  }
}

interface StoredRow {
  r: number;
  doc: string;
}

function* storedRows(file: StoreFile, plan: Plan): Generator<StoredRow> {
  const statement = file.statement(`SELECT r, doc ${plan.from}${plan.order ?? ""}`);
  // The columns of the table, by their declared types.
  for (const row of statement.iterate(...plan.params)) yield row as unknown as StoredRow;
}

function* matchingRows(file: StoreFile, plan: Plan, matches: Predicate): Generator<Row> {
  for (const { r, doc } of storedRows(file, plan)) {
    const document = decodeRow(doc);
    if (matches(document)) yield { r, document };
  }
}

function sortedRows(file: StoreFile, plan: Plan, matches: Predicate, sort: readonly SortField[]): Row[] {
  const found: { row: Row; keys: ReturnType<typeof sortKeysOf> }[] = [];
  let characters = 0;
  for (const { r, doc } of storedRows(file, plan)) {
    const document = decodeRow(doc);
    if (!matches(document)) continue;
    characters += doc.length;
    if (characters > SORT_CHARACTERS_MAX)
      throw serverError(
        292,
        "QueryExceededMemoryLimitNoDiskUseAllowed",
        `Sort exceeded memory limit of ${SORT_CHARACTERS_MAX} bytes; an index on the sort fields would avoid it`,
      );
    found.push({ row: { r, document }, keys: sortKeysOf(document, sort) });
  }
  return found.sort((a, b) => compareSortKeys(a.keys, b.keys, sort)).map(({ row }) => row);
}

/** The row numbers that a plan gives, in its order. */
export function* candidateRows(file: StoreFile, plan: Plan): Generator<number> {
  const statement = file.statement(`SELECT r ${plan.from}${plan.order ?? ""}`);
  for (const row of statement.iterate(...plan.params)) yield Number(row["r"]);
}

/** Rows by number, in the order of the numbers; those deleted meanwhile are left out. */
export function rowsByNumber(file: StoreFile, entry: CollectionEntry, numbers: number[]): Row[] {
  const statement = file.statement(`SELECT r, doc FROM ${entry.table} WHERE r IN (SELECT value FROM json_each(?))`);
  const found = new Map(statement.all(JSON.stringify(numbers)).map((row) => [Number(row["r"]), String(row["doc"])]));
  return numbers.flatMap((r) => {
    const doc = found.get(r);
    return doc === undefined ? [] : [{ r, document: decodeRow(doc) }];
  });
}
