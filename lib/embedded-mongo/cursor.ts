import { Readable } from "node:stream";
import mongodb from "mongodb";
import { refuse } from "./errors.ts";
import { checkOptions, type Options } from "./options.ts";
import { refuseRest } from "./refuse-rest.ts";

/** Where a cursor's items come from, opened on first use. */
export interface CursorSource<T> {
  /** At most `size` items; none at the end. */
  next(size: number): T[];
  /** All items at once, before the first `next`. */
  all(): T[];
}

/** Documents read ahead when `batchSize` is not given. */
const BATCH_SIZE = 1000;

type Mapping = (item: unknown) => unknown;

/** The look-alike of the driver's FindCursor, as far as mongoose and applications use it. */
export class EmbeddedCursor<T = unknown> {
  readonly #open: (filter: unknown, options: Options) => CursorSource<unknown>;
  readonly #options: Options;
  #filter: unknown;
  #source: CursorSource<unknown> | undefined;
  #batch: unknown[] = [];
  #mappings: Mapping[] = [];
  closed = false;

  constructor(open: (filter: unknown, options: Options) => CursorSource<unknown>, filter: unknown, options: Options) {
    this.#open = open;
    this.#filter = filter;
    this.#options = { ...options };
  }

  #with(name: string, value: unknown): this {
    this.#options[name] = value;
    checkOptions(this.#options);
    return this;
  }

  filter(filter: unknown): this {
    this.#filter = filter;
    return this;
  }

  /** `sort("a", -1)` as well as all forms of `parseSort`. */
  sort(sort: unknown, direction?: unknown): this {
    return this.#with("sort", direction === undefined ? sort : [[sort, direction]]);
  }

  limit(limit: number): this {
    return this.#with("limit", limit);
  }

  skip(skip: number): this {
    return this.#with("skip", skip);
  }

  project(projection: unknown): this {
    return this.#with("projection", projection);
  }

  batchSize(size: number): this {
    return this.#with("batchSize", size);
  }

  collation(collation: unknown): this {
    return this.#with("collation", collation ?? true);
  }

  hint(hint: unknown): this {
    return this.#with("hint", hint);
  }

  min(min: unknown): this {
    return this.#with("min", min);
  }

  max(max: unknown): this {
    return this.#with("max", max);
  }

  returnKey(value: unknown): this {
    return this.#with("returnKey", value);
  }

  showRecordId(value: unknown): this {
    return this.#with("showRecordId", value);
  }

  addCursorFlag(flag: string, value: boolean): this {
    return flag === "noCursorTimeout" ? this : this.#with(flag, value);
  }

  addQueryModifier(name: string): never {
    return refuse(`the query modifier ${name}`);
  }

  /** Hints to a server; nothing changes here. */
  comment(): this {
    return this;
  }

  maxTimeMS(): this {
    return this;
  }

  allowDiskUse(): this {
    return this;
  }

  map<U>(mapping: (item: T) => U): EmbeddedCursor<U> {
    this.#mappings.push(mapping as Mapping);
    return this as unknown as EmbeddedCursor<U>; // The same object, as in the driver.
  }

  async explain(): Promise<never> {
    return refuse("explain");
  }

  clone(): EmbeddedCursor<T> {
    return new EmbeddedCursor<T>(this.#open, this.#filter, this.#options);
  }

  rewind(): void {
    this.#source = undefined;
    this.#batch = [];
    this.closed = false;
  }

  #opened(): CursorSource<unknown> {
    this.#source ??= this.#open(this.#filter, this.#options);
    return this.#source;
  }

  #fill(): boolean {
    if (this.#batch.length > 0) return true;
    if (this.closed) return false;
    const { batchSize } = this.#options;
    this.#batch = this.#opened()
      .next(typeof batchSize === "number" && batchSize > 0 ? batchSize : BATCH_SIZE)
      .reverse();
    return this.#batch.length > 0;
  }

  #mapped(item: unknown): T {
    return this.#mappings.reduce((value, mapping) => mapping(value), item) as T; // map() has changed T with each mapping.
  }

  async hasNext(): Promise<boolean> {
    return this.#fill();
  }

  async next(): Promise<T | null> {
    return this.#fill() ? this.#mapped(this.#batch.pop()) : null;
  }

  async tryNext(): Promise<T | null> {
    return this.next();
  }

  async toArray(): Promise<T[]> {
    if (this.closed) return [];
    const items = this.#source ? [] : this.#opened().all();
    if (items.length === 0) while (this.#fill()) items.push(this.#batch.pop());
    this.closed = true;
    return this.#mappings.length === 0 ? (items as T[]) : items.map((item) => this.#mapped(item)); // As above.
  }

  async forEach(visit: (item: T) => boolean | undefined): Promise<void> {
    for await (const item of this) if (visit(item) === false) break;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    try {
      while (this.#fill()) yield this.#mapped(this.#batch.pop());
    } finally {
      await this.close();
    }
  }

  stream(): Readable {
    return Readable.from(this);
  }

  async close(): Promise<void> {
    this.closed = true;
    this.#batch = [];
    this.#source = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

for (const driverClass of [mongodb.FindCursor, mongodb.AbstractCursor])
  refuseRest(EmbeddedCursor, driverClass, (method) => method === "count");

/** A source over items that are there at once. */
export function sourceOf<T>(make: () => T[]): CursorSource<T> {
  let items: T[] | undefined;
  return {
    all: make,
    next: (size) => {
      items ??= make();
      return items.splice(0, size);
    },
  };
}
