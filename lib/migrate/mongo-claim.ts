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
  const ours = mark?.migrationId === migrationId;
  if (begun) {
    if (!ours) throw new MigrationError(`${target} is not where the migration was begun: it has no mark of it`);
    return;
  }
  for (const name of collections)
    if (await db.collection(name).findOne({}))
      throw new MigrationError(
        mark && !ours
          ? `${target} has the data of another migration, of another data folder`
          : `${target} is not empty: its collection ${name} has documents`,
      );
  // One that another migration has left went no further than this.
  if (!ours) await marks.replaceOne({ _id: "embedded" }, { migrationId }, { upsert: true });
}
