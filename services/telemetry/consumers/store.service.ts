import { defineService } from "../../../lib/service.ts";
import { telemetryStore } from "../../../schemas/telemetry.ts";
import { readingStore } from "../reading-store/reading-store.mixin.ts";
import { rejectionOf } from "./refused-reading.ts";

const STORED = "telemetry.store.stored";
const REFUSED = "telemetry.store.refused";
const DUPLICATES = "telemetry.store.duplicates";

/** Puts every accepted reading into the reading store; a batch that comes again finds its keys taken. */
export default defineService(telemetryStore, {
  mixins: [readingStore],

  started() {
    this.broker.metrics.register({ name: STORED, type: "counter", description: "Readings stored." });
    this.broker.metrics.register({
      name: DUPLICATES,
      type: "counter",
      description: "Readings that were stored before.",
    });
    this.broker.metrics.register({
      name: REFUSED,
      type: "counter",
      description: "Readings with a metric more than their device may have; kept as rejected messages.",
    });
  },

  actions: {},

  channels: {
    "telemetry.received": {
      group: "store",
      async handler({ params: batch }) {
        const { stored, duplicates, refused } = await this.readings.write(batch);
        await Promise.all(
          refused.map((one) => {
            const rejected = rejectionOf(one);
            return this.broker.publish("telemetry.rejected", rejected, {
              key: `${rejected.tenantId}/${rejected.deviceId}`,
            });
          }),
        );
        this.broker.metrics.increment(STORED, {}, stored);
        this.broker.metrics.increment(DUPLICATES, {}, duplicates);
        this.broker.metrics.increment(REFUSED, {}, refused.length);
      },
    },
  },
});
