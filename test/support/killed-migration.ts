// Loaded before `migrate`: it is killed while the n-th call of a kind is under way, as MIGRATION_KILLED says: `write 3`.
import mongoose from "mongoose";
import { FactsTarget } from "../../lib/migrate/facts-target.ts";
import { WorkTarget } from "../../lib/migrate/work-target.ts";
import { MongoReadingStore } from "../../services/telemetry/reading-store/mongo.ts";

/** What was sent has left the process by then, and its answer may be on its way. */
const UNDER_WAY_MS = 3;

type Calls = Record<string, (...given: unknown[]) => unknown>;
const kinds = {
  bulkWrite: mongoose.mongo.Collection.prototype,
  write: MongoReadingStore.prototype,
  send: FactsTarget.prototype,
  place: FactsTarget.prototype,
  put: WorkTarget.prototype,
} as unknown as Record<string, Calls>;

const [kind = "", count] = (process.env["MIGRATION_KILLED"] ?? "").split(" ");
const calls = kinds[kind];
const original = calls?.[kind];
if (!calls || !original) throw new Error(`MIGRATION_KILLED: ${kind} is none of ${Object.keys(kinds)}`);
let left = Number(count);
calls[kind] = function (this: unknown, ...given) {
  if (--left === 0) setTimeout(() => process.kill(process.pid, "SIGKILL"), UNDER_WAY_MS);
  return original.apply(this, given);
};
