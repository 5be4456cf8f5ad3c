import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { LatestValues } from "../../schemas/telemetry.ts";
import { startPlatform } from "../support/platform.ts";
import { restClient } from "../support/rest.ts";

const DEVICES = ["a", "b", "c"];
const BEGIN = Date.UTC(2026, 0, 1);

test("a device is deleted with its readings and newest values where that is asked for, and without them where not", async (t) => {
  const platform = await startPlatform();
  t.after(() => platform.stop());
  const rest = restClient(platform.http);
  for (const id of ["kept", "deleted"]) {
    await rest.register(id);
    await rest.request("POST", `/v1/devices/${id}/readings`, { readings: [{ ts: BEGIN, values: { n: 1 } }] });
    await t.waitFor(
      async () => {
        assert.equal((await rest.readings(id)).length, 1);
        const { metrics } = (await rest.request("GET", `/v1/devices/${id}/latest`)) as LatestValues;
        assert.equal(metrics["n"]?.value, 1);
      },
      { timeout: 10_000 },
    );
  }
  await rest.request("DELETE", "/v1/devices/kept");
  await rest.request("DELETE", "/v1/devices/deleted?readings=delete");
  assert.equal((await rest.readings("kept")).length, 1);
  await assert.rejects(rest.readings("deleted"), { status: 404 });
  // The value may have been read from the store before the message came to this consumer: then it goes behind it.
  await t.waitFor(() => assert.rejects(rest.request("GET", "/v1/devices/deleted/latest"), { status: 404 }), {
    timeout: 10_000,
  });
  await rest.register("deleted");
  assert.deepEqual(await rest.readings("deleted"), []);
  await t.waitFor(
    async () =>
      assert.deepEqual(await rest.request("GET", "/v1/devices/deleted/latest"), { deviceId: "deleted", metrics: {} }),
    { timeout: 10_000 },
  );
});

test("killed again and again, the platform has every reading that it accepted by REST, and the newest values", async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), "ganglion-latest-"));
  t.after(() => rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 }));
  const newest = new Map<string, number>();
  let n = 0;
  /** Readings of each device. */
  let accepted = 0;
  for (const beforeKill of [0, 30, 150, 0]) {
    const platform = await startPlatform({ dataDir });
    t.after(() => platform.kill());
    const rest = restClient(platform.http);
    for (const id of DEVICES) await rest.register(id);
    // What was accepted before the former kill is there, without anything new being sent.
    for (const [id, expected] of newest)
      for (let found: number | undefined; found !== expected; await sleep(10)) {
        const { metrics } = (await rest.request("GET", `/v1/devices/${id}/latest`)) as LatestValues;
        found = metrics["n"]?.value as number | undefined;
        assert.ok(found === undefined || found <= expected, `${id} has ${found}, which was never accepted`);
      }
    for (const id of newest.keys())
      for (let found = 0; found !== accepted; await sleep(10)) {
        found = (await rest.readings(id)).length;
        assert.ok(found <= accepted, `${id} has ${found} readings of ${accepted}`);
      }
    for (let round = 0; round < 40; round++)
      for (const id of DEVICES) {
        n++;
        await rest.request("POST", `/v1/devices/${id}/readings`, {
          readings: [
            { ts: BEGIN + n, values: { n } },
            { ts: BEGIN - n, values: { n: -n, older: n } },
          ],
        });
        newest.set(id, n);
      }
    accepted += 2 * 40;
    await sleep(beforeKill);
    await platform.kill();
  }
});
