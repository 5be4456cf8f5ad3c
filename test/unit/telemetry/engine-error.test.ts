import assert from "node:assert/strict";
import { test } from "node:test";
import { ReadingRefusedError } from "../../../services/telemetry/errors.ts";
import { engineError } from "../../../services/telemetry/reading-store/sqlite/engine-error.ts";

const sqlite = (errcode: number) => Object.assign(new Error("SQLite"), { code: "ERR_SQLITE_ERROR", errcode });

// https://www.sqlite.org/rescode.html; an extended code holds the primary one in its low byte.
for (const [name, code] of Object.entries({
  SQLITE_BUSY: 5,
  SQLITE_LOCKED: 6,
  SQLITE_NOMEM: 7,
  SQLITE_READONLY: 8,
  SQLITE_IOERR: 10,
  SQLITE_CORRUPT: 11,
  SQLITE_FULL: 13,
  SQLITE_CANTOPEN: 14,
  SQLITE_NOTADB: 26,
  SQLITE_IOERR_FSYNC: 1034,
  SQLITE_BUSY_SNAPSHOT: 517,
})) {
  test(`${name} is an outage, with its cause`, () => {
    const cause = sqlite(code);
    const { name: errorName, outage, cause: kept } = engineError(cause) as Error & { outage: boolean };
    assert.deepEqual([errorName, outage, kept], ["EngineUnavailableError", true, cause]);
  });
}

for (const [name, code] of Object.entries({
  SQLITE_TOOBIG: 18,
  SQLITE_CONSTRAINT_TRIGGER: 1811,
  SQLITE_MISMATCH: 20,
})) {
  test(`${name} is the data's fault and no outage`, () => {
    const cause = sqlite(code);
    const error = engineError(cause) as { type: string; retryable: boolean; outage?: boolean; cause: unknown };
    assert.deepEqual(
      [error.type, error.retryable, error.outage, error.cause],
      ["READING_REFUSED", false, undefined, cause],
    );
  });
}

test("other errors stay what they are", () => {
  for (const error of [new ReadingRefusedError("t", "d", "ts", "is wrong"), new TypeError("bug"), "text", undefined])
    assert.equal(engineError(error), error);
});
