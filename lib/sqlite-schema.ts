import type { DatabaseSync } from "node:sqlite";

/** What a kind of data file holds, and how a file of an older version becomes one of this. */
export interface SqliteSchema {
  /** What the file is, as messages name it: "reading store". */
  kind: string;
  /** `PRAGMA application_id`, by which the file is told from other SQLite files: four ASCII letters. */
  applicationId: number;
  /** Step n brings version n to n + 1; version 0 is an empty file. Steps are never changed once released, only added. */
  steps: readonly ((db: DatabaseSync) => void)[];
  /** The last version that was written without an application id. @default 0 */
  unmarkedUntil?: number;
}

/** Version and application id of a file, as they stand in its header. */
export interface SchemaMark {
  applicationId: number;
  version: number;
}

export function schemaMark(db: DatabaseSync): SchemaMark {
  const pragma = (name: string) => Number(db.prepare(`PRAGMA ${name}`).get()?.[name]);
  return { applicationId: pragma("application_id"), version: pragma("user_version") };
}

/**
 * Brings the file to the newest version, each step of the way in one transaction: what is interrupted has not happened.
 * To be called before anything else is done with the connection: a file that is refused is left as it was.
 *
 * @throws SqliteSchemaError naming the file where it is something else or was written by a newer version.
 */
export function migrate(db: DatabaseSync, file: string, schema: SqliteSchema): void {
  try {
    // On one snapshot: another process may be making the file at this moment.
    db.exec("BEGIN");
    const found = check(db, file, schema);
    db.exec("COMMIT");
    if (found === schema.steps.length) return;
    db.exec("BEGIN IMMEDIATE");
    // Another process may have been quicker.
    const version = check(db, file, schema);
    for (const step of schema.steps.slice(version)) step(db);
    db.exec(`PRAGMA application_id=${schema.applicationId}; PRAGMA user_version=${schema.steps.length}`);
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    if (error instanceof SqliteSchemaError) throw error;
    throw new SqliteSchemaError(`${file}: cannot be used as ${schema.kind}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Version of the file. @throws SqliteSchemaError */
function check(
  db: DatabaseSync,
  file: string,
  { kind, applicationId, steps, unmarkedUntil = 0 }: SqliteSchema,
): number {
  const mark = schemaMark(db);
  const empty = db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
  if (empty && mark.version === 0) return 0;
  const unmarked = mark.applicationId === 0 && mark.version > 0 && mark.version <= unmarkedUntil;
  if (mark.version > steps.length && (mark.applicationId === applicationId || mark.applicationId === 0))
    throw new SqliteSchemaError(
      `${file}: ${kind} of version ${mark.version}, written by a newer program; this one knows version ${steps.length}`,
    );
  if (mark.applicationId !== applicationId && !unmarked)
    throw new SqliteSchemaError(`${file} is a SQLite file, but not a ${kind}`);
  return mark.version;
}

/** The file is not one that this program can use. */
export class SqliteSchemaError extends Error {
  override name = "SqliteSchemaError";
}
