import type { DatabaseSync, StatementSync } from "node:sqlite";

/** A stored message: position, key, headers as JSON text, payload as JSON text, timestamp. An array costs half an object. */
export type Row = [position: number, key: string | null, headers: string | null, value: string, timestamp: number];

/** Rows of one INSERT statement: a call into SQLite costs as much as a row, and beyond 16 nothing is gained. */
const ROWS_PER_INSERT = 16;
/** Bound values of one row: key, headers, value. */
const WIDTH = 3;

const insertSql = (table: string, rows: number) => {
  const values = Array.from(
    { length: rows },
    (_, row) => `(?${row * WIDTH + 2},?${row * WIDTH + 3},?${row * WIDTH + 4},?1)`,
  );
  return `INSERT INTO ${table}(key, headers, value, timestamp) VALUES ${values.join(",")}`;
};

/**
 * One channel's messages. Positions have no gaps: only the oldest are deleted, and never the newest one, from which
 * SQLite counts on.
 */
export class ChannelLog {
  readonly id: number;
  readonly name: string;
  #insertOne: StatementSync;
  #insertMany: StatementSync;
  #bound: (string | number | null)[] = new Array(1 + ROWS_PER_INSERT * WIDTH).fill(null);
  #read: StatementSync;
  #first: StatementSync;
  #last: StatementSync;
  #timestamp: StatementSync;
  #deleteBelow: StatementSync;

  static schema(id: number): string {
    return `CREATE TABLE IF NOT EXISTS log_${id}(
      position INTEGER PRIMARY KEY, key TEXT, headers TEXT, value TEXT NOT NULL, timestamp INTEGER NOT NULL) STRICT`;
  }

  constructor(db: DatabaseSync, id: number, name: string) {
    this.id = id;
    this.name = name;
    const table = `log_${id}`;
    this.#insertOne = db.prepare(insertSql(table, 1));
    this.#insertMany = db.prepare(insertSql(table, ROWS_PER_INSERT));
    this.#read = db.prepare(
      `SELECT position, key, headers, value, timestamp FROM ${table} WHERE position>=? ORDER BY position LIMIT ?`,
    );
    this.#read.setReturnArrays(true);
    this.#first = db.prepare(`SELECT position, timestamp FROM ${table} ORDER BY position LIMIT 1`);
    this.#last = db.prepare(`SELECT position, timestamp FROM ${table} ORDER BY position DESC LIMIT 1`);
    this.#timestamp = db.prepare(`SELECT timestamp FROM ${table} WHERE position=?`);
    this.#deleteBelow = db.prepare(`DELETE FROM ${table} WHERE position<?`);
  }

  /**
   * Appends messages given as one flat list (key, headers, value, key, …). Their timestamp is now, or the newest
   * message's where the clock was set back, so that it never decreases. Inside a transaction.
   */
  append(flat: readonly (string | null)[], now: number): void {
    const timestamp = Math.max(now, Number(this.#last.get()?.["timestamp"] ?? 0));
    const bound = this.#bound;
    bound[0] = timestamp;
    const step = ROWS_PER_INSERT * WIDTH;
    let at = 0;
    for (; at + step <= flat.length; at += step) {
      for (let i = 0; i < step; i++) bound[i + 1] = flat[at + i] as string | null;
      this.#insertMany.run(...bound);
    }
    for (; at < flat.length; at += WIDTH)
      this.#insertOne.run(timestamp, flat[at] as string | null, flat[at + 1] as string | null, flat[at + 2] as string);
  }

  /** The oldest messages from a position on. */
  read(position: number, limit: number): Row[] {
    // Arrays, because of setReturnArrays.
    return this.#read.all(position, limit) as unknown as Row[];
  }

  /** Position of the oldest message kept, or 1. */
  first(): number {
    return Number(this.#first.get()?.["position"] ?? 1);
  }

  /** Position that the next message will have. */
  end(): number {
    return Number(this.#last.get()?.["position"] ?? 0) + 1;
  }

  /** Timestamp of the oldest message kept, if any. */
  oldest(): number | undefined {
    const timestamp = this.#first.get()?.["timestamp"];
    return timestamp === undefined ? undefined : Number(timestamp);
  }

  /** Position of the first message not older than a time (milliseconds since 1970), by bisection. */
  positionAt(time: number): number {
    let low = this.first();
    let high = this.end();
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (Number(this.#timestamp.get(middle)?.["timestamp"]) < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Deletes the messages before a position, the newest one excepted. Returns how many. */
  deleteBelow(position: number): number {
    return Number(this.#deleteBelow.run(Math.min(position, this.end() - 1)).changes);
  }
}
