import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { shareMongo } from "../../../lib/mongo/shared-client.ts";
import type { AggregateFunction, MetricValue, TelemetryReceived } from "../../../schemas/telemetry.ts";
import type { Interval } from "../../../services/telemetry/interval.ts";
import { MongoReadingStore } from "../../../services/telemetry/reading-store/mongo.ts";
import type {
  IntervalAggregate,
  ReadingStore,
  StoredReading,
} from "../../../services/telemetry/reading-store/reading-store.ts";
import { SqliteReadingStore } from "../../../services/telemetry/reading-store/sqlite.ts";
import { randomOf } from "../../ports/reading-store/random.ts";
import { FUNCTIONS, SECOND } from "../../ports/reading-store/suite/subject.ts";
import { mongoSettings, startMongo } from "../../support/engines/mongo.ts";

const SEEDS = Number(process.env["DIFFERENTIAL_SEEDS"] ?? 40);
const STEPS = 25;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;
/** Both changes of the clocks are within a year from here. */
const BEGIN = Date.UTC(2026, 2, 1) * 1000;

const folder = mkdtempSync(join(tmpdir(), "ganglion-readings-differential-"));
const server = await startMongo();
after(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

type Random = () => number;
const pick = <T>(random: Random, choices: readonly T[]): T => choices[Math.floor(random() * choices.length)] as T;
const DEVICES = ["a/d1", "a/d2", "b/d1"].map((key) => {
  const [tenantId = "", deviceId = ""] = key.split("/");
  return { tenantId, deviceId };
});
const METRICS = ["m", "on", "text", "a.b", "$x", "nul\0", "more", "late"];
const INTERVALS: Interval[] = [
  { micros: 7 * HOUR },
  { micros: 90 * 60 * SECOND },
  { days: 1, beginOn: "epoch" },
  { days: 7, beginOn: "monday" },
  { months: 1 },
  { months: 3 },
];

/** Numbers of which no sum is rounded: SecantusDB adds up blindly, which the suite lists. */
const value = (random: Random): MetricValue =>
  pick<() => MetricValue>(random, [
    () => random() < 0.5,
    () => pick(random, ["", "x", "1"]),
    () => Math.round((random() - 0.5) * 2 ** 30) / 1024,
  ])();

function randomBatch(random: Random, seq: () => number): TelemetryReceived[] {
  return Array.from({ length: 1 + Math.floor(random() * 4) }, () => ({
    ...pick(random, DEVICES),
    messageId: "m",
    receivedAt: BEGIN,
    readings: Array.from({ length: 1 + Math.floor(random() * 12) }, () => ({
      // Close together at times, so that some have one instant.
      ts: BEGIN + Math.floor(random() * 30) * 13 * DAY + Math.floor(random() * 4),
      seq: random() < 0.1 ? 2 ** 53 - 1 - Math.floor(random() * 3) : seq(),
      values: Object.fromEntries(METRICS.filter(() => random() < 0.3).map((name) => [name, value(random)])),
    })),
  }));
}

interface Step {
  name: string;
  given: unknown;
  ask(store: ReadingStore): Promise<unknown>;
}

function randomStep(random: Random, written: TelemetryReceived[][], seq: () => number): Step {
  const device = pick(random, DEVICES);
  const from = random() < 0.4 ? BEGIN + Math.floor(random() * 300) * DAY : undefined;
  const to = random() < 0.4 ? (from ?? BEGIN) + Math.floor(random() * 100) * DAY + 2 : undefined;
  const selection = {
    ...{ ...device, from, to, order: pick(random, ["asc", "desc"] as const), limit: pick(random, [3, 1000]) },
    metrics: random() < 0.4 ? [pick(random, METRICS), "none", pick(random, METRICS)] : undefined,
  };
  const choices: (() => Step)[] = [
    () => {
      const batch = written.length > 0 && random() < 0.4 ? pick(random, written) : randomBatch(random, seq);
      written.push(batch);
      return { name: "write", given: batch, ask: (store) => store.write(batch) };
    },
    () => ({
      name: "range",
      given: selection,
      ask: (store) => pages<StoredReading>(selection.limit, (after) => store.range({ ...selection, after })),
    }),
    () => {
      const query = {
        ...selection,
        interval: pick(random, INTERVALS),
        timeZone: pick(random, [undefined, "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
        functions: pick<AggregateFunction[]>(random, [FUNCTIONS, ["avg"], ["first", "count"], ["last", "max", "sum"]]),
      };
      return {
        ...{ name: "aggregate", given: query },
        ask: (store) =>
          pages<IntervalAggregate>(query.limit, (last) => store.aggregate({ ...query, afterStart: last?.start })),
      };
    },
    () => ({ name: "newest", given: device, ask: async (store) => [...(await store.newest(device))].sort() }),
    () => ({ name: "metrics", given: device, ask: (store) => store.metrics(device) }),
    () => ({ name: "has", given: device, ask: (store) => store.has(device) }),
    () => ({ name: "devices", given: {}, ask: (store) => store.devices({ limit: 10 }) }),
    () => ({ name: "delete", given: { device, from, to }, ask: (store) => store.delete({ ...device, from, to }) }),
  ];
  return (random() < 0.35 ? (choices[0] as () => Step) : pick(random, choices))();
}

/** Page by page, as a caller reads. */
async function pages<Item>(limit: number, next: (last: Item | undefined) => Promise<Item[]>): Promise<Item[]> {
  const items: Item[] = [];
  for (let page: Item[]; ; ) {
    page = await next(items.at(-1));
    items.push(...page);
    if (page.length < limit) return items;
  }
}

const answer = (store: ReadingStore, step: Step): Promise<unknown> =>
  step.ask(store).catch((error: { type?: string; message: string }) => ({ error: error.type ?? error.message }));

test("readings: the same calls give the same on SQLite and MongoDB, whatever is written, deleted and asked for", async () => {
  let compared = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = randomOf(seed);
    const limits = { metricsPerDeviceMax: seed % 4 === 0 ? 5 : 100 };
    const sqlite = new SqliteReadingStore({ file: join(folder, `${seed}.db`), synchronous: "NORMAL", ...limits });
    const share = await shareMongo(mongoSettings(server, `differential-${seed}`));
    const mongo = new MongoReadingStore(share, { ...limits, aggregateIntervalsMax: 1 + (seed % 9) });
    try {
      const written: TelemetryReceived[][] = [];
      let serial = 0;
      for (let step = 0; step < STEPS; step++) {
        const asked = randomStep(random, written, () => ++serial);
        const [ours, theirs] = [await answer(sqlite, asked), await answer(mongo, asked)];
        assert.deepEqual(theirs, ours, `seed ${seed}, step ${step}: ${asked.name} ${JSON.stringify(asked.given)}`);
        compared++;
      }
    } finally {
      await mongo.close();
      await sqlite.close();
    }
  }
  assert.equal(compared, SEEDS * STEPS);
});
