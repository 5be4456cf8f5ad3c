import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import mqtt from "mqtt";
import type { DeadLetterSummary } from "../../../schemas/dead-letters.ts";
import type { LatestValues, RejectedMessage } from "../../../schemas/telemetry.ts";
import { type MongoServer, startMongo } from "../../support/engines/mongo.ts";
import { startPlatform } from "../../support/platform.ts";
import { restClient } from "../../support/rest.ts";

const WAIT = { timeout: 15_000, interval: 100 };
const REFUSING = `--import=${new URL("../../support/refusing-store.ts", import.meta.url).href}`;
const dataDir = mkdtempSync(join(tmpdir(), "ganglion-mongo-"));
let server: MongoServer;
before(async () => {
  server = await startMongo();
});
after(async () => {
  await server?.stop();
  rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 });
});

test("with MONGO_URL alone the platform keeps devices, readings, newest values and what was refused in MongoDB", async (t) => {
  const env = { MONGO_URL: `${server.url}/?appName=test` };
  const platform = await startPlatform({ env, dataDir, nodeOptions: [REFUSING] });
  t.after(() => platform.kill());
  const rest = restClient(platform.http);
  await rest.register("boiler-7");
  const password = await rest.credential("boiler-7");
  const device = await mqtt.connectAsync(platform.mqtt, { username: "boiler-7", password, reconnectPeriod: 0 });
  const publish = (payload: unknown) =>
    device.publishAsync("devices/me/telemetry", JSON.stringify(payload), { qos: 1 });
  const begin = Date.parse("2026-03-28T22:30:00Z");
  const HOUR = 3_600_000;
  for (let n = 0; n < 4; n++) await publish({ ts: begin + n * HOUR, values: { temperature: n, on: n % 2 === 0 } });
  // Twice: one reading.
  await publish({ ts: begin, values: { temperature: 0, on: true } });
  await publish({ a: { b: 1 } });
  await publish({ ts: begin, values: { c: 1 } });
  await device.endAsync();

  await t.waitFor(async () => assert.equal((await rest.readings("boiler-7")).length, 4), WAIT);
  const days = await rest.aggregates("boiler-7", {
    interval: "P1D",
    timeZone: "Europe/Berlin",
    aggregate: ["avg", "count", "first", "last"],
  } as never);
  assert.deepEqual(days, [
    {
      start: "2026-03-27T23:00:00.000Z",
      end: "2026-03-28T23:00:00.000Z",
      metrics: {
        temperature: { avg: 0, count: 1, first: 0, last: 0 },
        on: { avg: 1, count: 1, first: true, last: true },
      },
    },
    {
      start: "2026-03-28T23:00:00.000Z",
      end: "2026-03-29T22:00:00.000Z",
      metrics: {
        temperature: { avg: 2, count: 3, first: 1, last: 3 },
        on: { avg: 1 / 3, count: 3, first: false, last: false },
      },
    },
  ]);
  await t.waitFor(async () => {
    const { metrics } = (await rest.request("GET", "/v1/devices/boiler-7/latest")) as LatestValues;
    assert.deepEqual([metrics["temperature"]?.value, metrics["on"]?.value], [3, false]);
  }, WAIT);
  const [refused] = (await rest.rejected()) as [RejectedMessage];
  assert.match(refused.reason, /must be a number/);
  const letters = async () =>
    ((await rest.request("GET", "/v1/dead-letters?deviceId=boiler-7")) as { items: DeadLetterSummary[] }).items;
  await t.waitFor(async () => assert.equal((await letters()).length, 1), WAIT);

  assert.equal((await platform.stop()).code, 0);
  for (const file of ["documents.db", "readings.db", "latest.db"])
    assert.equal(existsSync(join(dataDir, file)), false, `${file} has no business here`);

  const again = await startPlatform({ env, dataDir });
  t.after(() => again.kill());
  const client = restClient(again.http);
  assert.equal((await client.readings("boiler-7")).length, 4);
  assert.equal(((await client.request("DELETE", "/v1/devices/boiler-7/readings")) as { deleted: number }).deleted, 4);
  const { metrics } = (await client.request("GET", "/v1/devices/boiler-7/latest")) as LatestValues;
  assert.deepEqual(metrics, {});
  assert.equal((await again.stop()).code, 0);
});
