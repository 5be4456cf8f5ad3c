import type { DeviceRange } from "../reading-store.ts";
import { along, type Readings, within } from "./key.ts";

export interface DeleteOptions {
  /** Readings of one command. @default 5000 */
  deleteStepRows?: number;
}

/** Deletes along the key, oldest first: each step ends in front of a reading, so that none is left out or counted twice. */
export async function deleteRange(
  readings: Readings,
  range: DeviceRange,
  { deleteStepRows = 5000 }: DeleteOptions,
): Promise<number> {
  for (let deleted = 0; ; ) {
    const [mark] = await readings
      .find(within(range), { projection: { _id: 1 } })
      .sort(along("asc"))
      .skip(deleteStepRows)
      .limit(1)
      .toArray();
    const { deletedCount } = await readings.deleteMany(
      mark ? within({ ...range, order: "desc", after: mark._id }) : within(range),
    );
    deleted += deletedCount;
    if (!mark) return deleted;
  }
}
