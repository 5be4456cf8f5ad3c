import { SqliteReadingStore } from "../../../services/telemetry/reading-store/sqlite.ts";
import { DEVICE } from "./suite/subject.ts";

// node deleting-child.ts FILE TO: deletes the readings before TO in steps of one transaction per ten readings.
const [, , file, to] = process.argv;
if (import.meta.main && file) {
  const store = new SqliteReadingStore({ file, deleteStepRows: 10 });
  process.stdout.write("begun\n");
  await store.delete({ ...DEVICE, to: Number(to) });
  await store.close();
}
