import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import { tenantOf } from "../../lib/meta.ts";
import { telemetryText } from "../../lib/readings/telemetry-text.ts";
import { TypeSchemas } from "../../lib/readings/type-schemas.ts";
import { type Ctx, defineService } from "../../lib/service.ts";
import { telemetry } from "../../schemas/telemetry.ts";
import { DeviceNotActiveError, ParameterError } from "./errors.ts";
import { type ReadingStoreSettings, readingStore } from "./reading-store/reading-store.mixin.ts";
import type { ReadingStore } from "./reading-store/reading-store.ts";
import {
  aggregateQueryOf,
  aggregatesPage,
  type ReadingsParams,
  rangeOf,
  rangeQueryOf,
  readingsPage,
} from "./readings-query.ts";
import { aggregatesStream, readingsStream } from "./readings-stream.ts";
import { checkType, writtenItems } from "./written-items.ts";

interface Settings extends Partial<ReadingStoreSettings> {
  /** After which a device type is asked for again, changed or not. */
  typeRefreshSeconds?: number;
}

/** Answers for stored readings, takes those that come by REST, and deletes. */
export default defineService(telemetry, {
  mixins: [readingStore],
  dependencies: ["device-registry"],
  settings: {} as Settings,
  state: () => ({ schemas: undefined as unknown as TypeSchemas }),

  started() {
    this.schemas = new TypeSchemas(
      (tenantId, typeId) => this.broker.call("device-registry.telemetrySchema", { typeId }, { meta: { tenantId } }),
      this.settings.typeRefreshSeconds,
    );
  },

  hints: {
    "device-type.changed"({ tenantId, typeId }) {
      return this.schemas.changed(tenantId, typeId);
    },
  },

  actions: {
    async readings(ctx) {
      // Cast: the contract tells what callers read, and a stream is one only to the gateway.
      if (ctx.meta.$accept) return (await stream(ctx, this.readings)) as never;
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

    async write(ctx) {
      const { deviceId, readings } = ctx.params;
      const items = writtenItems(readings);
      const { status, type } = await ctx.call("device-registry.get", { deviceId });
      if (status !== "active") throw new DeviceNotActiveError(deviceId, status);
      const sender = { tenantId: tenantOf(ctx), deviceId };
      const receivedAt = Date.now() * 1000;
      if (type !== undefined) checkType(items, await this.schemas.of(sender.tenantId, type), receivedAt);
      // A request is the packet: sent again, readings without time and id are others.
      const arrival = () => ({ receivedAt, packet: `rest.${randomUUID()}` });
      const text = telemetryText(sender, { receivedAt, messageId: undefined, arrival }, items);
      await this.broker.publish("telemetry.received", text, { key: `${sender.tenantId}/${deviceId}`, raw: true });
      return { accepted: items.length };
    },

    async deleteReadings(ctx) {
      const { deviceId, ...range } = ctx.params;
      const tenantId = tenantOf(ctx);
      const { from, to } = rangeOf(range);
      const deleted = await this.readings.delete({ tenantId, deviceId, from, to });
      // What consumers have not read yet goes when they come to it.
      const fact = {
        ...{ tenantId, deviceId, messageId: `deletion.${randomUUID()}`, receivedAt: Date.now() * 1000, readings: [] },
        deleted: { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) },
      };
      await this.broker.publish("telemetry.received", fact, { key: `${tenantId}/${deviceId}` });
      // Also where nothing was deleted: a former call may have come only this far.
      await ctx.call("telemetry-latest.forget", { deviceId, ...range });
      return { deleted };
    },
  },
});

/** All that is asked for, from the first to the last. */
async function stream(ctx: Ctx<ReadingsParams>, store: ReadingStore): Promise<Readable> {
  const { $accept: type = "text/csv" } = ctx.meta;
  const tenantId = tenantOf(ctx);
  const { deviceId, interval, cursor, limit = Number.POSITIVE_INFINITY } = ctx.params;
  if (cursor !== undefined) throw new ParameterError("cursor", "is for pages; a stream holds all");
  const query =
    interval === undefined
      ? rangeQueryOf(ctx.params, tenantId)
      : aggregateQueryOf({ ...ctx.params, interval }, tenantId);
  if (!(await store.has({ tenantId, deviceId }))) await ctx.call("device-registry.get", { deviceId });
  ctx.meta.$responseType = type === "text/csv" ? "text/csv; charset=utf-8; header=present" : type;
  return "interval" in query
    ? aggregatesStream(store, { ...query, limit }, type)
    : readingsStream(store, { ...query, limit }, type);
}
