import { setTimeout as sleep } from "node:timers/promises";
import { instantOf } from "../../../lib/instant.ts";
import { tenantOf } from "../../../lib/meta.ts";
import { defineService } from "../../../lib/service.ts";
import { type LatestValues, telemetryLatest } from "../../../schemas/telemetry.ts";
import type { LatestStore } from "../latest/latest-store.ts";
import type { LatestMetrics } from "../latest/latest-values.ts";
import { openLatestStore } from "../latest/open.ts";
import { type ReadingStoreSettings, readingStore } from "../reading-store/reading-store.mixin.ts";
import { rangeOf } from "../readings-query.ts";
import { deletedRange } from "./deleted-range.ts";
import { inOrder } from "./in-order.ts";

interface Settings extends Partial<ReadingStoreSettings> {
  latestFile: string;
}

const BATCH = 2000;
/** What comes meanwhile is one batch, and each of its devices one row: the commit of a message alone costs as much. */
const PACE_MS = 100;

/** Keeps the newest value of each metric of each device. */
export default defineService(telemetryLatest, {
  mixins: [readingStore],
  dependencies: ["device-registry"],
  settings: {} as Settings,
  state: () => ({
    latest: undefined as unknown as LatestStore,
    unwatchLatest: undefined as (() => void) | undefined,
  }),

  async started() {
    const { synchronous = "FULL", metricsPerDeviceMax = 1000, ...settings } = this.settings;
    this.latest = await openLatestStore({ ...settings, synchronous, metricsPerDeviceMax }, (device) =>
      this.readings.newest(device),
    );
    this.unwatchLatest = this.broker.health?.register(() => this.latest.trouble);
  },

  async stopped() {
    this.unwatchLatest?.();
    await this.latest?.close();
  },

  actions: {
    async get(ctx) {
      const { deviceId } = ctx.params;
      const metrics = (await this.latest.get(tenantOf(ctx), [deviceId])).get(deviceId);
      // Of a device that has no values the registry knows whether it exists.
      if (!metrics?.size) await ctx.call("device-registry.get", { deviceId });
      return latestValuesOf(deviceId, metrics ?? new Map());
    },

    async list(ctx) {
      const found = await this.latest.get(tenantOf(ctx), ctx.params.deviceIds);
      return { items: Array.from(found, ([deviceId, metrics]) => latestValuesOf(deviceId, metrics)) };
    },

    async forget(ctx) {
      const { deviceId, ...range } = ctx.params;
      await this.latest.forget({ tenantId: tenantOf(ctx), deviceId, ...rangeOf(range) });
    },
  },

  channels: {
    "telemetry.received": {
      group: "latest",
      batch: { size: BATCH },
      async handler({ params: batch }) {
        await inOrder(batch, {
          write: (messages) => this.latest.merge(messages),
          remove: (deletion) => this.latest.forget(deletedRange(deletion)),
        });
        if (batch.length < BATCH) await sleep(PACE_MS);
      },
    },
  },
});

const latestValuesOf = (deviceId: string, metrics: LatestMetrics): LatestValues => ({
  deviceId,
  metrics: Object.fromEntries(Array.from(metrics, ([name, { ts, value }]) => [name, { ts: instantOf(ts), value }])),
});
