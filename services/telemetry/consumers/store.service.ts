import { instantOf } from "../../../lib/instant.ts";
import { defineService } from "../../../lib/service.ts";
import { telemetryStore } from "../../../schemas/telemetry.ts";
import { readingStore } from "../reading-store/reading-store.mixin.ts";
import type { DeviceRange } from "../reading-store/reading-store.ts";
import { deletedRange } from "./deleted-range.ts";
import { inOrder } from "./in-order.ts";
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
      handler({ params: batch }) {
        return inOrder(batch, {
          write: async (messages) => {
            const { stored, duplicates, refused } = await this.readings.write(messages);
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
          remove: async (deletion) => {
            const range = deletedRange(deletion);
            await this.readings.delete(range);
            // It may have been here already, and have looked at what is deleted only now. Where it is away it comes yet.
            await this.broker
              .call("telemetry-latest.forget", paramsOf(range), { meta: { tenantId: range.tenantId } })
              .catch((error: unknown) =>
                this.logger.warn("Newest values may be of deleted readings.", { deviceId: range.deviceId, error }),
              );
          },
        });
      },
    },
  },
});

const paramsOf = ({ deviceId, from, to }: DeviceRange) => ({
  deviceId,
  ...(from === undefined ? {} : { from: instantOf(from) }),
  ...(to === undefined ? {} : { to: instantOf(to) }),
});
