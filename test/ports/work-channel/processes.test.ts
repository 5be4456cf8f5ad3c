import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { SqliteWorkAdapter } from "../../../lib/channels/sqlite-work.ts";
import type { KillEngine } from "./lives.ts";
import { folder, processesSuite, WAIT } from "./processes-suite.ts";

const engine: KillEngine = {
  worker: () => ({}),
  create: (dir) => new SqliteWorkAdapter({ file: join(dir, "work.db") }),
  deadTwice: false,
};

processesSuite(engine);

/** A handler that outlasts its lease several times, beside a process that is free: how often was it begun? */
async function timesBegun(t: TestContext, broken?: "no-renewal"): Promise<number> {
  const { worker, send, of, depth } = await folder(t, engine);
  const options = { leaseMs: 300, handlerMs: 2000, ...(broken ? { broken } : {}) };
  await Promise.all([worker(options), worker(options)]);
  await send(1, 1);
  await t.waitFor(() => assert.ok(of("handled").length > 0), WAIT);
  if (!broken) await t.waitFor(async () => assert.equal(await depth(), 0), WAIT);
  return of("handling").length;
}

test("a lease is renewed while its handler runs: nobody else is given the item", async (t) => {
  assert.equal(await timesBegun(t), 1);
});

test("control: without renewal the same check finds the item with two", async (t) => {
  assert.ok((await timesBegun(t, "no-renewal")) > 1);
});
