import mongoose, { type Connection } from "mongoose";
import { connectEmbedded } from "./embedded-mongo/driver.ts";
import { EmbeddedClient } from "./embedded-mongo/embedded-client.ts";
import type { MongoSettings, MongoShare } from "./mongo/shared-client.ts";

export interface DocumentStoreOptions {
  /** MongoDB; without it the embedded store. */
  mongo?: MongoSettings | undefined;
  /** SQLite file of the embedded store. */
  file: string;
  /** Durability of the embedded store: FULL survives power loss; NORMAL the death of the process only. */
  synchronous: "FULL" | "NORMAL";
}

/** Of the connections on MongoDB. */
const shares = new WeakMap<Connection, MongoShare>();

/**
 * Opens the document store. Models are declared on what it returns, `connection.model(name, schema)`, and never on
 * the global mongoose, so that the same code runs on both engines.
 *
 * @throws Error naming the file, or MongoDB's hosts
 */
export async function openDocumentStore({ mongo, file, synchronous }: DocumentStoreOptions): Promise<Connection> {
  if (mongo === undefined) return connectEmbedded(file, { synchronous });
  const { shareMongo } = await import("./mongo/shared-client.ts");
  const share = await shareMongo(mongo);
  const own = new mongoose.Mongoose();
  // The driver waits for a server itself, and no longer than it is told.
  own.set("bufferCommands", false);
  // What nobody waits for any more ends at the server too.
  own.set("maxTimeMS", mongo.timeoutMs);
  const connection = own.createConnection();
  connection.setClient(share.client);
  shares.set(connection, share);
  return connection;
}

export async function closeDocumentStore(connection: Connection): Promise<void> {
  const share = shares.get(connection);
  // The types know `force` only.
  await connection.close(share ? ({ skipCloseClient: true } as never) : false);
  await share?.release();
}

/** Why the store cannot be written at present; undefined where it can. */
export function documentStoreTrouble(connection: Connection): string | undefined {
  const client: unknown = connection.getClient();
  return client instanceof EmbeddedClient ? client.trouble : shares.get(connection)?.trouble;
}
