import type { TestContext } from "node:test";
import type { AggregateFunction, MetricValues, TelemetryReceived } from "../../../../schemas/telemetry.ts";
import { isFull } from "../../../../services/telemetry/reading-store/page-weight.ts";
import type {
  RangeQuery,
  ReadingStore,
  StoredReading,
} from "../../../../services/telemetry/reading-store/reading-store.ts";

/** An empty store of its own for each test; `reopen` closes it and opens what it stored again. */
export type OpenStore = (
  t: TestContext,
  options?: { metricsPerDeviceMax?: number; readingNameHours?: number },
) => Promise<{ store: ReadingStore; reopen(): Promise<ReadingStore> }>;

export const FUNCTIONS: AggregateFunction[] = ["avg", "min", "max", "sum", "count", "first", "last"];
export const DEVICE = { tenantId: "default", deviceId: "boiler-7" };
export const T0 = Date.UTC(2026, 0, 1) * 1000;
export const SECOND = 1_000_000;

/** A message of one reading, by default of `DEVICE`. */
export const message = (ts: number, seq: number, values: MetricValues, device = DEVICE): TelemetryReceived => ({
  ...device,
  messageId: `${ts}/${seq}`,
  receivedAt: ts,
  readings: [{ ts, seq, values }],
});

export const all: RangeQuery = { ...DEVICE, order: "asc", limit: 10_000 };

/** Every reading of the query, page by page. */
export async function everyReading(store: ReadingStore, query: Omit<RangeQuery, "limit">): Promise<StoredReading[]> {
  const readings: StoredReading[] = [];
  for (;;) {
    const page = await store.range({ ...query, limit: 10_000, after: readings.at(-1) });
    readings.push(...page);
    if (!isFull(page, 10_000)) return readings;
  }
}
