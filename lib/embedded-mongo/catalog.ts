import type { BsonDocument } from "./bson-value.ts";
import { decodeRow, encodeRow } from "./row-codec.ts";
import type { SortField } from "./sort.ts";
import type { StoreFile } from "./store-file.ts";
import type { Kinds } from "./value-kinds.ts";

/** An index as MongoDB describes it. `_id_` is not among them: the table has it by itself. */
export interface IndexEntry {
  /** Number in the collection, part of the SQLite index's name. */
  id: number;
  name: string;
  key: SortField[];
  unique: boolean;
  sparse: boolean;
  expireAfterSeconds?: number;
  partialFilterExpression?: BsonDocument;
}

/** A collection: the table `d<id>` with the columns r (rowid), k (encoded `_id`), doc (JSON). */
export interface CollectionEntry {
  id: number;
  /** `database.collection` */
  namespace: string;
  table: string;
  indexes: IndexEntry[];
  /** By indexed path, `_id` always included. */
  kinds: Map<string, Kinds>;
  nextIndexId: number;
}

/** What a catalog row's JSON holds; keys and partial filters in the encoding of rows. */
interface StoredMeta {
  nextIndexId: number;
  kinds: Record<string, Kinds>;
  indexes: { id: number; name: string; key: [string, 1 | -1][]; options: string }[];
}

/**
 * The collections of a file. Every change counts `catalog_version` up, and every transaction looks at it first, so
 * that an index or a kind of value brought by another process is known before it matters.
 */
export class Catalog {
  readonly #file: StoreFile;
  readonly #entries = new Map<string, CollectionEntry>();
  #version = -1;

  constructor(file: StoreFile) {
    this.#file = file;
  }

  /** Inside a transaction: reads again what another connection changed. */
  refresh(): void {
    const version = Number(this.#file.statement("SELECT version FROM catalog_version").get()?.["version"]);
    if (version === this.#version) return;
    this.#entries.clear();
    for (const row of this.#file.statement("SELECT id, namespace, meta FROM catalog").all()) {
      const entry = decodeEntry(Number(row["id"]), String(row["namespace"]), String(row["meta"]));
      this.#entries.set(entry.namespace, entry);
    }
    this.#version = version;
  }

  /** After a rollback memory may be ahead of the file. */
  forget(): void {
    this.#version = -1;
  }

  find(namespace: string): CollectionEntry | undefined {
    return this.#entries.get(namespace);
  }

  all(): CollectionEntry[] {
    return [...this.#entries.values()];
  }

  /** The collection, made when it is not there. */
  ensure(namespace: string): CollectionEntry {
    const known = this.#entries.get(namespace);
    if (known) return known;
    const { lastInsertRowid } = this.#file
      .statement("INSERT INTO catalog (namespace, meta) VALUES (?, '')")
      .run(namespace);
    const id = Number(lastInsertRowid);
    const entry: CollectionEntry = { ...EMPTY_META(), id, namespace, table: `d${id}` };
    this.#file.exec(`CREATE TABLE ${entry.table} (r INTEGER PRIMARY KEY, k UNIQUE NOT NULL, doc TEXT NOT NULL)`);
    this.#entries.set(namespace, entry);
    this.save(entry);
    return entry;
  }

  save(entry: CollectionEntry): void {
    this.#file.statement("UPDATE catalog SET meta = ? WHERE id = ?").run(encodeMeta(entry), entry.id);
    this.#countUp();
  }

  drop(entry: CollectionEntry): void {
    this.#file.exec(`DROP TABLE ${entry.table}`);
    this.#file.statement("DELETE FROM catalog WHERE id = ?").run(entry.id);
    this.#entries.delete(entry.namespace);
    this.#countUp();
  }

  #countUp(): void {
    this.#file.statement("UPDATE catalog_version SET version = version + 1").run();
    this.#version++;
  }
}

const EMPTY_META = () => ({ indexes: [], kinds: new Map([["_id", 0]]), nextIndexId: 1 });

function encodeMeta(entry: CollectionEntry): string {
  const meta: StoredMeta = {
    nextIndexId: entry.nextIndexId,
    kinds: Object.fromEntries(entry.kinds),
    indexes: entry.indexes.map(({ id, name, key, ...options }) => ({
      id,
      name,
      key: key.map(({ path, direction }): [string, 1 | -1] => [path, direction]),
      options: encodeRow(options),
    })),
  };
  return JSON.stringify(meta);
}

function decodeEntry(id: number, namespace: string, text: string): CollectionEntry {
  const meta = JSON.parse(text) as StoredMeta; // Written by encodeMeta only.
  const indexes = meta.indexes.map(
    (index): IndexEntry => ({
      id: index.id,
      name: index.name,
      key: index.key.map(([path, direction]) => ({ path, parts: path.split("."), direction })),
      // The fields that encodeMeta left over.
      ...(decodeRow(index.options) as Pick<IndexEntry, "unique" | "sparse">),
    }),
  );
  const kinds = new Map(Object.entries(meta.kinds));
  return { id, namespace, table: `d${id}`, indexes, kinds, nextIndexId: meta.nextIndexId };
}
