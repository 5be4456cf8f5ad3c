import type { mongo } from "mongoose";
import { MigrationError } from "./migration-error.ts";

interface Mark {
  _id: "embedded";
  migrationId: string;
}

/**
 * Makes a database this migration's, by a mark in it.
 *
 * @param collections that must be empty where it is not begun
 * @throws MigrationError
 */
export async function claimMongo(
  db: mongo.Db,
  { target, migrationId, begun }: { target: string; migrationId: string; begun: boolean },
  collections: readonly string[],
): Promise<void> {
  const marks = db.collection<Mark>("migration");
  const mark = await marks.findOne({ _id: "embedded" });
  if (mark && mark.migrationId !== migrationId)
    throw new MigrationError(`${target} has the data of another migration, of another data folder`);
  if (begun && !mark) throw new MigrationError(`${target} is not where the migration was begun: it has no mark of it`);
  if (begun) return;
  for (const name of collections)
    if (await db.collection(name).findOne({}))
      throw new MigrationError(`${target} is not empty: its collection ${name} has documents`);
  if (!mark) await marks.insertOne({ _id: "embedded", migrationId });
}
