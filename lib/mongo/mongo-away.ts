/** Errors of the driver, and of mongoose for it, that say that no server could do the work. */
const AWAY = new Set([
  "MongoNetworkError",
  "MongoNetworkTimeoutError",
  "MongoServerSelectionError",
  "MongooseServerSelectionError",
  "MongoPoolClearedError",
  "MongoPoolClearedOnNetworkError",
  "MongoPoolClosedError",
  "MongoWaitQueueTimeoutError",
  "MongoOperationTimeoutError",
  "MongoTopologyClosedError",
  "MongoNotConnectedError",
  "MongoClientClosedError",
  "MongoExpiredSessionError",
  "MongoSystemError",
  "MongoWriteConcernError",
  "MongoCredentialsError",
]);

/**
 * Codes of servers that cannot do it now (https://www.mongodb.com/docs/manual/reference/error-codes/): unreachable, not
 * primary, shutting down, too late, majority not reached, no room, and access refused, which is never the data's fault.
 */
const AWAY_CODES = new Set([
  6, 7, 13, 18, 24, 46, 50, 63, 64, 84, 89, 91, 100, 112, 133, 134, 150, 189, 202, 234, 262, 317, 358, 384, 9001,
  10_058, 10_107, 11_600, 11_602, 13_388, 13_435, 13_436, 14_031,
]);

/** As much as is looked at: errors of other nodes are plain objects. */
interface Failure {
  name?: unknown;
  code?: unknown;
  result?: { getWriteConcernError?(): unknown };
}

/**
 * Whether the fault is the server's or the way's to it, so that the same may succeed later. By names and codes: nothing
 * of MongoDB is loaded for it.
 */
export function isMongoAway(error: unknown): boolean {
  const { name, code, result } = (error ?? {}) as Failure;
  if (typeof name !== "string" || !name.startsWith("Mongo")) return false;
  if (AWAY.has(name) || (typeof code === "number" && AWAY_CODES.has(code))) return true;
  // Written, but by too few: it may be rolled back.
  return result?.getWriteConcernError?.() !== undefined;
}
