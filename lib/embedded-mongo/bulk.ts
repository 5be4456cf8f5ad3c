import { createRequire } from "node:module";
import mongodb from "mongodb";
import {
  checkReplacementShape,
  checkUpdateOptions,
  checkUpdateShape,
  insert,
  parseReplacement,
  parseUpdate,
  remove,
  storedDocument,
  type Target,
  type UpdateCounts,
  update,
} from "./commands.ts";
import { isPlainObject } from "./filter-operand.ts";

/** The driver's raw result, from which its own class makes the public one. */
interface RawResult {
  ok: 1;
  writeErrors: mongodb.WriteError[];
  writeConcernErrors: never[];
  insertedIds: { index: number; _id: unknown }[];
  nInserted: number;
  nUpserted: number;
  nMatched: number;
  nModified: number;
  nRemoved: number;
  upserted: { index: number; _id: unknown }[];
}

// The driver exports the types of these classes but not the classes: hence the deep import, and the pinned version.
const common = createRequire(import.meta.url)("mongodb/lib/bulk/common") as {
  BulkWriteResult: new (result: RawResult, ordered: boolean) => mongodb.BulkWriteResult;
  WriteError: new (error: Record<string, unknown>) => mongodb.WriteError;
};
export const { BulkWriteResult } = common;

type Arguments = Record<string, unknown>;
interface Operation {
  kind: string;
  args: Arguments;
}

/** What the driver checks before it sends anything. @throws MongoInvalidArgumentError */
export function parseOperations(operations: unknown): Operation[] {
  if (!Array.isArray(operations)) throw invalid("Argument 'operations' must be an array of documents");
  if (operations.length === 0) throw invalid("Invalid BulkOperation, Batch cannot be empty");
  return operations.map((operation) => {
    if (!isPlainObject(operation)) throw invalid("Operation must be an object with an operation key");
    const [kind = "", args] = Object.entries(operation)[0] ?? [];
    if (!KINDS.has(kind) || typeof args !== "object" || args === null)
      throw invalid("bulkWrite only supports insertOne, updateOne, updateMany, replaceOne, deleteOne, deleteMany");
    const checked = args as Arguments; // An object, by the line above.
    if (kind === "updateOne" || kind === "updateMany") checkUpdateShape(checked["update"]);
    if (kind === "replaceOne") checkReplacementShape(checked["replacement"]);
    return { kind, args: checked };
  });
}

const KINDS = new Set(["insertOne", "updateOne", "updateMany", "replaceOne", "deleteOne", "deleteMany"]);
const invalid = (message: string) => new mongodb.MongoInvalidArgumentError(message);

/** Inside one write transaction: an operation that fails leaves the others in place, as on the server. */
export function bulkWrite(target: Target, operations: Operation[], ordered: boolean): mongodb.BulkWriteResult {
  const result: RawResult = {
    ok: 1,
    writeErrors: [],
    writeConcernErrors: [],
    insertedIds: [],
    nInserted: 0,
    nUpserted: 0,
    nMatched: 0,
    nModified: 0,
    nRemoved: 0,
    upserted: [],
  };
  for (const [index, { kind, args }] of operations.entries()) {
    try {
      runOne(target, index, kind, args, result);
    } catch (error) {
      if (!(error instanceof mongodb.MongoServerError)) throw error;
      result.writeErrors.push(
        new common.WriteError({ index, code: error.code, errmsg: error.message, errInfo: undefined, op: args }),
      );
      if (ordered) break;
    }
  }
  return new BulkWriteResult(result, ordered);
}

function runOne(target: Target, index: number, kind: string, args: Arguments, result: RawResult): void {
  checkUpdateOptions(args);
  const { filter } = args;
  const upsert = args["upsert"] === true;
  switch (kind) {
    case "insertOne": {
      const given = args["document"] ?? args;
      const document = storedDocument(given);
      result.insertedIds.push({ index, _id: (given as Arguments)["_id"] }); // storedDocument has seen to it.
      insert(target, document);
      result.nInserted++;
      return;
    }
    case "updateOne":
    case "updateMany":
      addCounts(
        index,
        update(target, filter, parseUpdate(args["update"]), { multi: kind === "updateMany", upsert }),
        result,
      );
      return;
    case "replaceOne":
      addCounts(index, update(target, filter, parseReplacement(args["replacement"]), { multi: false, upsert }), result);
      return;
    default:
      result.nRemoved += remove(target, filter, kind === "deleteMany");
  }
}

function addCounts(index: number, counts: UpdateCounts, result: RawResult): void {
  result.nMatched += counts.matched;
  result.nModified += counts.modified;
  if (!counts.upserted) return;
  result.nUpserted++;
  result.upserted.push({ index, _id: counts.upserted["_id"] });
}

/** After the commit: what succeeded stays. @throws MongoBulkWriteError */
export function throwWriteErrors(result: mongodb.BulkWriteResult): mongodb.BulkWriteResult {
  const writeErrors = result.getWriteErrors();
  const [first] = writeErrors;
  if (!first) return result;
  throw new mongodb.MongoBulkWriteError(
    { message: first.errmsg ?? "write error", code: first.code, writeErrors },
    result,
  );
}
