import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";

/** Names of readings without a time of their own. `dev` is what names a device in its file, a number or text. */
export const NAMES_TABLE = `
  CREATE TABLE named(dev NOT NULL, seq INTEGER NOT NULL, ts INTEGER NOT NULL, seen INTEGER NOT NULL,
    PRIMARY KEY(dev, seq)) WITHOUT ROWID;
  CREATE INDEX named_seen ON named(seen);`;

export interface NamesOptions {
  /** Hours from the first arrival in which a name stands for the same reading; 0 = names are not kept. @default 24 */
  readingNameHours?: number;
}

/** A name as another engine takes it over. */
export interface KeptName {
  /** `tenant/device` */
  device: string;
  seq: number;
  /** Of the first reading of this name. */
  ts: number;
  /** When that came. Microseconds since 1970, both. */
  seen: number;
}

const NAMES_AT_ONCE = 500;

/** Every name that is kept, in pages. @param deviceSql expression for `tenant/device` by `named.dev` */
export function* keptNames(db: DatabaseSync, deviceSql: string): Generator<KeptName[]> {
  const next = db.prepare(
    `SELECT dev, ${deviceSql} AS device, seq, ts, seen FROM named WHERE (dev, seq) > (?, ?) ORDER BY dev, seq LIMIT ?`,
  );
  // Less than every number, and numbers are less than text.
  let [dev, seq]: [number | string, number] = [-1, -1];
  for (;;) {
    const rows: Record<string, SQLOutputValue>[] = next.all(dev, seq, NAMES_AT_ONCE);
    const last = rows.at(-1);
    if (!last) return;
    [dev, seq] = [last["dev"] as number | string, Number(last["seq"])];
    yield rows.map((row) => ({
      ...{ device: String(row["device"]), seq: Number(row["seq"]) },
      ...{ ts: Number(row["ts"]), seen: Number(row["seen"]) },
    }));
  }
}

/** A name counts for so many microseconds. */
export const nameMicros = ({ readingNameHours = 24 }: NamesOptions): number => readingNameHours * 3_600_000_000;

/**
 * The instant under which a named reading came first, for use inside a write transaction. Time is that of the messages,
 * not the clock's: messages that are read again are judged as they were.
 */
export class Names {
  readonly #micros: number;
  readonly #find: StatementSync;
  readonly #put: StatementSync;
  readonly #drop: StatementSync;
  /** Names put since the last pruning, and the latest of their arrivals. */
  #added = 0;
  #seen = 0;

  constructor(db: DatabaseSync, options: NamesOptions) {
    this.#micros = nameMicros(options);
    this.#find = db.prepare("SELECT ts, seen FROM named WHERE dev = ? AND seq = ?");
    this.#put = db.prepare(
      "INSERT INTO named(dev, seq, ts, seen) VALUES(?, ?, ?, ?) ON CONFLICT DO UPDATE SET ts = excluded.ts, seen = excluded.seen",
    );
    this.#drop = db.prepare(
      "DELETE FROM named WHERE (dev, seq) IN (SELECT dev, seq FROM named WHERE seen < ? ORDER BY seen LIMIT ?)",
    );
  }

  /** `ts` of the first reading of this name; `ts` itself where this is the first, or the former is too long ago. */
  firstTs(dev: number | string, seq: number, ts: number, receivedAt: number): number {
    if (this.#micros === 0) return ts;
    const known = this.#find.get(dev, seq);
    // Both ways: a machine's clock may have been set back.
    if (known && Math.abs(receivedAt - Number(known["seen"])) <= this.#micros) return Number(known["ts"]);
    this.#put.run(dev, seq, ts, receivedAt);
    this.#added++;
    this.#seen = Math.max(this.#seen, receivedAt);
    return ts;
  }

  /** Drops what is too long ago, twice as much as was added: a backlog ends, and no batch has to wait for it. */
  prune(): void {
    if (this.#added === 0) return;
    this.#drop.run(this.#seen - this.#micros, 2 * this.#added);
    this.#added = 0;
    this.#seen = 0;
  }
}
