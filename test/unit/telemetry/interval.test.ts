import assert from "node:assert/strict";
import { test } from "node:test";
import { startOfInterval } from "../../../services/telemetry/interval.ts";
import { randomOf } from "../../ports/reading-store/random.ts";

test("an interval begins at the greatest multiple of its length that is not after the instant", () => {
  const random = randomOf(1970);
  for (let round = 0; round < 20_000; round++) {
    const ts = Math.floor((random() * 2 - 1) * 4.2e15 * (round % 2 ? 1 : 1e-9));
    const width = 1 + Math.floor(random() * 3.2e15 * (round % 3 ? 1e-6 : 1));
    const start = BigInt(startOfInterval(ts, width));
    assert.equal(start % BigInt(width), 0n, `${ts} in ${width}`);
    assert.ok(start <= BigInt(ts) && BigInt(ts) < start + BigInt(width), `${ts} in ${width}`);
  }
});
