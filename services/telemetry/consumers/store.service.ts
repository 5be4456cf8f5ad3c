import { defineService } from "../../../lib/service.ts";
import { telemetryStore } from "../../../schemas/telemetry.ts";
import { readingStore } from "../reading-store/reading-store.mixin.ts";

const STORED = "telemetry.store.stored";
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
  },

  actions: {},

  channels: {
    "telemetry.received": {
      group: "store",
      async handler({ params: batch }) {
        const { stored, duplicates } = await this.readings.write(batch);
        this.broker.metrics.increment(STORED, {}, stored);
        this.broker.metrics.increment(DUPLICATES, {}, duplicates);
      },
    },
  },
});
