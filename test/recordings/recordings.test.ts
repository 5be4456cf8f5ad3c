import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Aggregate, LatestValues, Reading } from "../../schemas/telemetry.ts";
import { type Platform, startPlatform } from "../support/platform.ts";
import { unless } from "../support/requirements.ts";
import { type RestClient, restClient } from "../support/rest.ts";
import { micros, type Numbers, numbersOf, type Row, rowsOf, type Truth, truthOf } from "./recorded-rows.ts";

const skip = unless("recordings");
const NAMES = ["mqtt_env_3dev", "wsn_labelled", "nab_labelled", "beijing_air", "building_rooms", "room_climate"];
const BATCH = 1000;
const WRITERS = 4;
const WIDTH = { "1h": "PT1H", "24h": "P1D" };
const DAY = 86_400_000_000;

let platform: Platform;
let rest: RestClient;
let written = 0;
before(async () => {
  if (skip) return;
  platform = await startPlatform({
    env: { HTTP_RATE_LIMIT: "1000000", SQLITE_SYNCHRONOUS: "NORMAL", LOG_LEVEL: "warn" },
  });
  rest = restClient(platform.http);
});
after(() => platform?.stop());

const path = (deviceId: string, search = {}) =>
  `/v1/devices/${encodeURIComponent(deviceId)}/readings?${new URLSearchParams(search)}`;

for (const name of NAMES)
  test(`${name}: written by REST, every reading, count, extreme, mean and window is the recording's`, {
    skip,
  }, async () => {
    const truth = truthOf(name);
    const recorded = rowsOf(name);
    assert.equal(recorded.size, truth.devices);
    await write(recorded, truth);
    const above = new Map<string, number>();
    for (const [deviceId, rows] of recorded) {
      await compareReadings(deviceId, rows, truth, above);
      await compareDevice(deviceId, rows, truth);
      await compareDays(deviceId, rows, truth.metrics);
      await compareLatest(deviceId, rows);
    }
    for (const [threshold, { total }] of Object.entries(truth.thresholds))
      assert.equal(above.get(threshold) ?? 0, total, threshold);
    assert.ok(truth.windows.length >= 20);
    for (const window of truth.windows) await compareWindow(window, recorded.get(window.device_id) ?? []);
  });

/** Writes all, some requests at a time, and waits until all of it is stored. */
async function write(recorded: Map<string, Row[]>, truth: Truth): Promise<void> {
  const requests: (() => Promise<unknown>)[] = [];
  let rowsTotal = 0;
  for (const [deviceId, rows] of recorded) {
    await rest.register(deviceId);
    rowsTotal += rows.length;
    for (let first = 0; first < rows.length; first += BATCH)
      requests.push(() => rest.request("POST", path(deviceId), { readings: rows.slice(first, first + BATCH) }));
  }
  assert.equal(rowsTotal, truth.rows);
  const writer = async () => {
    for (let next = requests.pop(); next; next = requests.pop()) await next();
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
  written += rowsTotal;
  const stored = async () => {
    const metrics = await (await fetch(`${platform.http}/metrics`)).text();
    const [, count] = /^\S*telemetry_store_stored\S* (\d+)/m.exec(metrics) ?? [];
    return Number(count ?? 0);
  };
  for (const deadline = Date.now() + 120_000; (await stored()) < written; await sleep(50))
    assert.ok(Date.now() < deadline, `${await stored()} of ${written} readings are stored`);
}

/** Every reading, value by value; of one instant in any order. */
async function compareReadings(deviceId: string, rows: Row[], truth: Truth, above: Map<string, number>): Promise<void> {
  const readings = await lines<Reading>(path(deviceId));
  assert.equal(readings.length, truth.per_device[deviceId]?.rows, deviceId);
  const told = readings.map(({ ts, values }) => [micros(ts), values] as const);
  const sent = rows.map(({ ts, values }) => [micros(ts), values] as const);
  assert.deepEqual(inOrder(told), inOrder(sent), deviceId);
  for (const [threshold, { per_device }] of Object.entries(truth.thresholds)) {
    const [metric = "", limit] = threshold.split(">");
    const count = readings.filter(({ values }) => Number(values[metric] ?? -Infinity) > Number(limit)).length;
    assert.equal(count, per_device[deviceId], `${deviceId} ${threshold}`);
    above.set(threshold, (above.get(threshold) ?? 0) + count);
  }
}

const inOrder = (readings: (readonly [number, Reading["values"]])[]) =>
  readings
    .map(([ts, values]) => ({ ts, text: JSON.stringify(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1))) }))
    .sort((a, b) => a.ts - b.ts || (a.text < b.text ? -1 : 1))
    .map(({ ts, text }) => `${ts} ${text}`);

/** All of a device in one interval. */
async function compareDevice(deviceId: string, rows: Row[], truth: Truth): Promise<void> {
  const [item, ...more] = await aggregates(deviceId, { interval: "P100Y" });
  assert.equal(more.length, 0);
  for (const metric of truth.metrics) {
    const expected = truth.per_device[deviceId]?.metrics[metric];
    near(item?.metrics[metric], expected, `${deviceId} ${metric} of the truth`);
    near(item?.metrics[metric], numbersOf(numbers(rows, metric)), `${deviceId} ${metric} of the rows`);
  }
}

/** Every day of every device, from the rows alone. */
async function compareDays(deviceId: string, rows: Row[], metrics: string[]): Promise<void> {
  const days = Map.groupBy(rows, ({ ts }) => Math.floor(micros(ts) / DAY));
  const items = await aggregates(deviceId, { interval: "P1D" });
  assert.deepEqual(
    items.map(({ start }) => micros(start) / DAY),
    [...days.keys()].sort((a, b) => a - b),
    deviceId,
  );
  for (const { start, metrics: found } of items)
    for (const metric of metrics) {
      const values = [...numbers(days.get(micros(start) / DAY) ?? [], metric)];
      if (values.length === 0) assert.equal(found[metric], undefined, `${deviceId} ${start} ${metric}`);
      else near(found[metric], numbersOf(values), `${deviceId} ${start} ${metric}`);
    }
}

async function compareWindow(window: Truth["windows"][number], rows: Row[]): Promise<void> {
  const { device_id: deviceId, start, width } = window;
  const [begin, length] = [micros(start), width === "1h" ? DAY / 24 : DAY];
  const [from, to] = [begin, begin + length].map((at) => new Date(at / 1000).toISOString()) as [string, string];
  const [item, ...more] = await aggregates(deviceId, { from, to, interval: WIDTH[width] });
  assert.equal(more.length, 0);
  assert.deepEqual([item?.start, item?.end], [from, to]);
  const inside = rows.filter(({ ts }) => micros(ts) >= begin && micros(ts) < begin + length);
  assert.equal(inside.length, window.rows);
  for (const [metric, expected] of Object.entries(window.metrics)) {
    near(item?.metrics[metric], expected, `${deviceId} ${start} ${metric} of the truth`);
    near(item?.metrics[metric], numbersOf(numbers(inside, metric)), `${deviceId} ${start} ${metric} of the rows`);
  }
}

/** The newest value of each metric; where two rows of one instant have one, either. */
async function compareLatest(deviceId: string, rows: Row[]): Promise<void> {
  const newest = new Map<string, { at: number; values: unknown[] }>();
  for (const { ts, values } of rows)
    for (const [metric, value] of Object.entries(values)) {
      const [at, known] = [micros(ts), newest.get(metric)];
      if (!known || at > known.at) newest.set(metric, { at, values: [value] });
      else if (at === known.at) known.values.push(value);
    }
  const url = `/v1/devices/${encodeURIComponent(deviceId)}/latest`;
  const asked = async () => ((await rest.request("GET", url)) as LatestValues).metrics;
  const isThere = (found: LatestValues["metrics"]) =>
    [...newest].every(([metric, { at }]) => found[metric] && micros(found[metric].ts) === at);
  let found = await asked();
  // The consumer may be behind the store.
  for (const deadline = Date.now() + 30_000; !isThere(found) && Date.now() < deadline; found = await asked())
    await sleep(50);
  assert.deepEqual(Object.keys(found).sort(), [...newest.keys()].sort());
  for (const [metric, { at, values }] of newest) {
    assert.equal(micros(found[metric]?.ts ?? ""), at, `${deviceId} ${metric}`);
    assert.ok(values.includes(found[metric]?.value), `${deviceId} ${metric}`);
  }
}

async function lines<Item>(url: string): Promise<Item[]> {
  const response = await fetch(platform.http + url, { headers: { accept: "application/x-ndjson" } });
  assert.equal(response.status, 200, url);
  const text = await response.text();
  return text === ""
    ? []
    : text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as Item);
}

const aggregates = (deviceId: string, search: { interval: string; from?: string; to?: string }) =>
  lines<Aggregate>(path(deviceId, { ...search, aggregate: "avg,min,max,sum,count" }));

function* numbers(rows: Row[], metric: string): Generator<number> {
  for (const { values } of rows) if (typeof values[metric] === "number") yield values[metric];
}

/** Within 1e-6, of values above 1 relatively. */
function near(actual: Aggregate["metrics"][string] | undefined, expected: Numbers | undefined, what: string): void {
  assert.ok(expected, `${what}: nothing is expected`);
  assert.equal(actual?.count, expected.count, what);
  const { avg: mean, min, max, sum } = actual ?? {};
  for (const [key, value] of Object.entries({ mean, min, max, ...(expected.sum === undefined ? {} : { sum }) })) {
    const wanted = expected[key as keyof Numbers] as number;
    const tolerance = 1e-6 * Math.max(1, Math.abs(wanted));
    assert.ok(Math.abs(Number(value) - wanted) <= tolerance, `${what} ${key}: ${value} is not ${wanted}`);
  }
}
