import { tenantOf } from "../../lib/meta.ts";
import { defineService } from "../../lib/service.ts";
import { telemetry } from "../../schemas/telemetry.ts";
import { readingStore } from "./reading-store/reading-store.mixin.ts";
import { aggregateQueryOf, aggregatesPage, rangeQueryOf, readingsPage } from "./readings-query.ts";

/** Answers for stored readings; it writes none. */
export default defineService(telemetry, {
  mixins: [readingStore],
  dependencies: ["device-registry"],

  actions: {
    async readings(ctx) {
      const tenantId = tenantOf(ctx);
      const { params } = ctx;
      const { deviceId, interval } = params;
      const page =
        interval === undefined
          ? readingsPage(await this.readings.range(rangeQueryOf(params, tenantId)), params, tenantId)
          : aggregatesPage(
              await this.readings.aggregate(aggregateQueryOf({ ...params, interval }, tenantId)),
              params,
              tenantId,
            );
      // A deleted device keeps its readings; of one that never had any the registry knows whether it exists.
      if (page.items.length === 0 && !(await this.readings.has({ tenantId, deviceId })))
        await ctx.call("device-registry.get", { deviceId });
      return page;
    },
  },
});
