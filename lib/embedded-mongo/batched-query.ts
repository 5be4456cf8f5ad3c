import type { BsonDocument } from "./bson-value.ts";
import { compileFilter } from "./match.ts";
import { candidateRows, planQuery, type Query, type Row, rowsByNumber, scan } from "./scan.ts";
import type { StoreFile } from "./store-file.ts";

/**
 * A query read in batches, between which others may write. The first batch and the order of all rows come from one
 * snapshot; a later row is read when its turn comes, and left out if it no longer matches. As with MongoDB's
 * cursors, a document changed meanwhile appears as it is then.
 */
export class BatchedQuery {
  readonly #file: StoreFile;
  readonly #namespace: string;
  readonly #query: Query;
  #started = false;
  /** Sorted in memory: all rows. */
  #rows: Row[] = [];
  /** Ordered by SQLite: the numbers of the rows not read yet. */
  #numbers: number[] = [];
  #left: number;

  constructor(file: StoreFile, namespace: string, query: Query) {
    this.#file = file;
    this.#namespace = namespace;
    this.#query = query;
    this.#left = query.limit === 0 ? Number.POSITIVE_INFINITY : query.limit;
  }

  /** Everything at once, on one snapshot. Only before the first batch. */
  all(): BsonDocument[] {
    this.#started = true;
    return this.#file.read(() => {
      const entry = this.#file.catalog.find(this.#namespace);
      return entry ? Array.from(scan(this.#file, entry, this.#query), ({ document }) => document) : [];
    });
  }

  /** The next documents, at most `size`; none at the end. */
  next(size: number): BsonDocument[] {
    if (!this.#started) {
      this.#started = true;
      return this.#count(this.#file.read(() => this.#first(size)));
    }
    if (this.#rows.length > 0) return this.#count(this.#rows.splice(0, size));
    const matches = compileFilter(this.#query.filter);
    while (this.#numbers.length > 0 && this.#left > 0) {
      const numbers = this.#numbers.splice(0, size);
      const rows = this.#file.read(() => {
        const entry = this.#file.catalog.find(this.#namespace);
        return entry ? rowsByNumber(this.#file, entry, numbers) : [];
      });
      const matching = rows.filter(({ document }) => matches(document));
      if (matching.length > 0) return this.#count(matching);
    }
    return [];
  }

  #count(rows: Row[]): BsonDocument[] {
    const documents = rows.slice(0, Math.min(rows.length, this.#left)).map(({ document }) => document);
    this.#left -= documents.length;
    return documents;
  }

  #first(size: number): Row[] {
    const entry = this.#file.catalog.find(this.#namespace);
    if (!entry) return [];
    const plan = planQuery(entry, this.#query.filter, this.#query.sort);
    if (plan.order === undefined) {
      this.#rows = [...scan(this.#file, entry, this.#query)];
      return this.#rows.splice(0, size);
    }
    const { skip } = this.#query;
    const read = [...scan(this.#file, entry, { ...this.#query, skip: 0, limit: skip + size })];
    const first = read.slice(skip);
    if (first.length < size || first.length >= this.#left) return first;
    const seen = new Set(read.map(({ r }) => r));
    // By number and not by OFFSET: the second statement may take another index and so order equal keys otherwise.
    for (const r of candidateRows(this.#file, plan)) if (!seen.has(r)) this.#numbers.push(r);
    return first;
  }
}
