import { setTimeout as sleep } from "node:timers/promises";
import { instantOf } from "../../lib/instant.ts";
import { defineService } from "../../lib/service.ts";
import { telemetryRetention } from "../../schemas/telemetry.ts";
import { type ReadingStoreSettings, readingStore } from "./reading-store/reading-store.mixin.ts";
import { enforceRetention, type RetentionRules } from "./retention.ts";

interface Settings extends Partial<ReadingStoreSettings> {
  /** Where neither type nor tenant says; 0 = for ever. */
  retentionDays: number;
  /** Pause between two runs. */
  checkSeconds: number;
}

const DELETED = "telemetry.retention.deleted";
const LAST_RUN = "telemetry.retention.last.run";
const DURATION = "telemetry.retention.duration";

/** Deletes readings that are older than they have to be kept, device by device, in the reading store's bounded steps. */
export default defineService(telemetryRetention, {
  mixins: [readingStore],
  settings: { retentionDays: 0, checkSeconds: 3600 } as Settings,
  state: () => ({ stopping: new AbortController(), ended: Promise.resolve() }),

  started() {
    const { metrics } = this.broker;
    metrics.register({ name: DELETED, type: "counter", description: "Readings deleted because of their age." });
    metrics.register({ name: LAST_RUN, type: "gauge", description: "End of the last whole run, seconds since 1970." });
    metrics.register({ name: DURATION, type: "gauge", description: "Seconds that the last whole run took." });
  },

  opened() {
    const { broker, settings, logger, readings } = this;
    const { signal } = this.stopping;

    const rulesOf = async (tenantId: string, deviceIds: string[]): Promise<RetentionRules> => {
      const as = { meta: { tenantId } };
      const { retentionDays: ofTenant } = await broker.call("device-registry.tenantRetention", {}, as);
      const { items } = await broker.call("device-registry.retention", { deviceIds }, as);
      const ofDevices = new Map(items.map((item) => [item.deviceId, item.retentionDays]));
      return { ofTenant, ofDevices, byDefault: settings.retentionDays };
    };

    const run = async () => {
      const begun = performance.now();
      try {
        await enforceRetention({
          ...{ readings, rulesOf, signal, now: () => Date.now() * 1000 },
          async deleted({ tenantId, deviceId }, to, count) {
            broker.metrics.increment(DELETED, {}, count);
            await broker.call("telemetry-latest.forget", { deviceId, to: instantOf(to) }, { meta: { tenantId } });
          },
        });
        broker.metrics.set(LAST_RUN, Math.floor(Date.now() / 1000));
        broker.metrics.set(DURATION, (performance.now() - begun) / 1000);
      } catch (error) {
        // What is left goes with the next run.
        if (!signal.aborted) logger.warn("Retention could not do its work.", { error });
      }
    };

    const loop = async () => {
      while (!signal.aborted) {
        // Not at once: a start has more to do.
        await sleep(settings.checkSeconds * 1000, undefined, { signal, ref: false }).catch(() => {});
        if (!signal.aborted) await run();
      }
    };
    this.ended = loop();
  },

  async stopped() {
    this.stopping.abort();
    await this.ended;
  },

  actions: {},
});
