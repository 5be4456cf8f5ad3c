import type { DatabaseSync } from "node:sqlite";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { DeviceRange } from "../reading-store.ts";

export interface DeleteOptions {
  /** Readings of one transaction; between two the event loop gets its turn. @default 2000 */
  deleteStepRows?: number;
}

export const DELETE_STEP = "DELETE FROM reading WHERE dev = ? AND ts >= ? AND (ts, seq) < (?, ?)";
export const DELETE_REST = "DELETE FROM reading WHERE dev = ? AND ts >= ? AND ts < ?";

/** Deletes along the key, oldest first: each step ends in front of a reading, so that none is left out or counted twice. */
export async function deleteRange(
  db: DatabaseSync,
  { tenantId, deviceId, from, to }: DeviceRange,
  { deleteStepRows = 2000 }: DeleteOptions,
): Promise<number> {
  const device = db.prepare("SELECT dev FROM device WHERE tenant = ? AND id = ?").get(tenantId, deviceId);
  if (!device) return 0;
  const dev = Number(device["dev"]);
  const [begin, end] = [from ?? Number.MIN_SAFE_INTEGER, to ?? Number.MAX_SAFE_INTEGER];
  const next = db.prepare(
    "SELECT ts, seq FROM reading WHERE dev = ? AND ts >= ? AND ts < ? ORDER BY ts, seq LIMIT 1 OFFSET ?",
  );
  const step = db.prepare(DELETE_STEP);
  const rest = db.prepare(DELETE_REST);
  for (let deleted = 0; ; ) {
    const mark = next.get(dev, begin, end, deleteStepRows);
    const { changes } = mark
      ? step.run(dev, begin, Number(mark["ts"]), Number(mark["seq"]))
      : rest.run(dev, begin, end);
    deleted += Number(changes);
    if (!mark) return deleted;
    await nextTurn();
  }
}
