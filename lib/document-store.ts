import mongoose, { type Connection } from "mongoose";
import { connectEmbedded } from "./embedded-mongo/driver.ts";
import { EmbeddedClient } from "./embedded-mongo/embedded-client.ts";

export interface DocumentStoreOptions {
  /** MongoDB, by `mongodb://` or `mongodb+srv://`; without it the embedded store. */
  mongoUrl?: string;
  /** SQLite file of the embedded store. */
  file: string;
  /** Durability of the embedded store: FULL survives power loss; NORMAL the death of the process only. */
  synchronous: "FULL" | "NORMAL";
}

/**
 * Opens the document store. Models are declared on what it returns, `connection.model(name, schema)`, and never on
 * the global mongoose, so that the same code runs on both engines.
 */
export async function openDocumentStore({ mongoUrl, file, synchronous }: DocumentStoreOptions): Promise<Connection> {
  if (mongoUrl === undefined) return connectEmbedded(file, { synchronous });
  return new mongoose.Mongoose().createConnection(mongoUrl).asPromise();
}

/** Why the store cannot be written at present; undefined where it can. */
export function documentStoreTrouble(connection: Connection): string | undefined {
  const client: unknown = connection.getClient();
  return client instanceof EmbeddedClient ? client.trouble : undefined;
}
