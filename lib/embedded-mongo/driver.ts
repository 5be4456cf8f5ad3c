import mongoose, { type Connection } from "mongoose";
import { BulkWriteResult } from "./bulk.ts";
import { EmbeddedClient, type EmbeddedOptions } from "./embedded-client.ts";

export type { EmbeddedOptions } from "./embedded-client.ts";

/** What mongoose's own connection has and its types do not show; checked against mongoose 9.12.1. */
interface ConnectionInternals {
  readyState: number;
  config: Record<string, unknown>;
  name: string;
  client: unknown;
  db: { databaseName: string } | undefined;
  collections: Record<string, { onOpen(): void }>;
  otherDbs: { name: string; client: unknown; db: unknown; onOpen(): void }[];
  _connectionString: string;
  _destroyCalled?: boolean;
  onOpen(): void;
}

const CONNECTING = 2;
const SCHEME = "sqlite:";
/** Options that are mongoose's and not the store's. */
const MONGOOSE_OPTIONS = ["autoIndex", "autoCreate", "sanitizeFilter", "bufferTimeoutMS", "bufferCommands"];

// mongoose.Connection is the driver's connection at run time; its type leaves out all that a driver overrides.
const NativeConnection = mongoose.Connection as unknown as new (...args: unknown[]) => ConnectionInternals;

/** mongoose's own connection; only the client behind it differs. */
class EmbeddedConnection extends NativeConnection {
  async createClient(uri: string, options: Record<string, unknown> = {}): Promise<this> {
    if (!uri.startsWith(SCHEME)) throw new Error(`the embedded driver opens ${SCHEME} URIs only`);
    if (this._destroyCalled) throw new Error("the connection has been destroyed and cannot be opened again");
    for (const name of MONGOOSE_OPTIONS) if (name in options) this.config[name] = options[name];
    this.readyState = CONNECTING;
    this._connectionString = uri;
    const client = new EmbeddedClient(uri.slice(SCHEME.length), options as EmbeddedOptions); // connectEmbedded's own.
    this.client = client;
    const db = client.db();
    this.db = db;
    this.name = db.databaseName;
    this.onOpen();
    for (const collection of Object.values(this.collections)) collection.onOpen();
    for (const other of this.otherDbs) {
      other.client = client;
      other.db = client.db(other.name);
      other.onOpen();
    }
    return this;
  }

  setClient(): never {
    throw new Error("the embedded driver makes its client itself");
  }
}

/** For `mongoose.setDriver`, before any connection is open. Opens `sqlite:FILE` and `sqlite::memory:`. */
export const embeddedDriver = {
  Connection: EmbeddedConnection,
  Collection: mongoose.Collection,
  BulkWriteResult,
  plugins: [],
};

/**
 * Opens a document store in a SQLite file, on a mongoose of its own: a mongoose on real MongoDB may stand beside it.
 *
 * @param file a path, or `:memory:`.
 * @throws Error when the file cannot be opened, is something else, or of a newer format.
 */
export async function connectEmbedded(file: string, options: EmbeddedOptions = {}): Promise<Connection> {
  const own = new mongoose.Mongoose();
  own.setDriver(embeddedDriver);
  return own.createConnection(SCHEME + file, options).asPromise();
}
