import { SqliteReadingStore } from "../../../services/telemetry/reading-store/sqlite.ts";
import { DEVICE, message } from "./suite/subject.ts";

/** Readings of each batch of the child. */
export const BATCH = 50;

// node writing-child.ts FILE: writes batch after batch, each reading's ts one higher, and prints what is acknowledged.
if (process.argv[2]) {
  const store = new SqliteReadingStore({ file: process.argv[2], synchronous: "NORMAL" });
  for (let batch = 0; ; batch++) {
    await store.write(
      Array.from({ length: BATCH }, (_, i) => message(batch * BATCH + i, i, { [`m${batch % 30}`]: batch }, DEVICE)),
    );
    process.stdout.write(`${batch}\n`);
    // Lets the line out before the next batch.
    await new Promise(setImmediate);
  }
}
