import type { Model } from "mongoose";
import { z } from "zod";
import { type BulkFailure, bulkFailure, isAway } from "../../../lib/bulk-failure.ts";
import { cursorOf, placeOf } from "../../../lib/cursor.ts";
import { tenantOf } from "../../../lib/meta.ts";
import { type Ctx, defineService } from "../../../lib/service.ts";
import { type DocumentStoreSettings, documentStore } from "../../../mixins/document-store.mixin.ts";
import { rejectedMessages } from "../../../schemas/telemetry.ts";
import { inOrder } from "./in-order.ts";
import { type RejectionDocument, rejectionModel } from "./rejection.model.ts";
import { deletionOf, documentOf, rejectedMessageOf, resubmissionOf } from "./rejection.ts";
import { findRejection, keepNewest, keepRejections, oldestRejections } from "./rejection-store.ts";

const Place = z.tuple([z.int(), z.string()]);

interface Settings extends Partial<DocumentStoreSettings> {
  /** Messages kept per tenant; the oldest go first. */
  rejectedMessagesMax: number;
  /** The same per device. */
  rejectedMessagesPerDeviceMax: number;
}

/** Who decided over messages; their ids say the rest. */
const audited = (ctx: Ctx, rejections: readonly RejectionDocument[]) => ({
  tenantId: tenantOf(ctx),
  requestId: ctx.requestID,
  rejections: rejections.map(({ rejectionId }) => rejectionId),
});

/** Keeps what devices sent and the platform refused, so that somebody can see why. */
export default defineService(rejectedMessages, {
  mixins: [documentStore],
  settings: { rejectedMessagesMax: 10_000, rejectedMessagesPerDeviceMax: 1000 } as Settings,
  state: () => ({ rejections: undefined as unknown as Model<RejectionDocument> }),

  async started() {
    this.rejections = rejectionModel(this.documents);
    await this.rejections.init();
  },

  actions: {
    async list(ctx) {
      const tenantId = tenantOf(ctx);
      const { deviceId, cursor, limit } = ctx.params;
      const list = ["rejected-messages", tenantId, deviceId ?? null];
      const [receivedAt, id] = cursor === undefined ? [] : placeOf(cursor, list, Place);
      const found = await this.rejections
        .find({
          tenantId,
          ...(deviceId === undefined ? {} : { deviceId }),
          ...(receivedAt === undefined || id === undefined
            ? {}
            : { $or: [{ receivedAt: { $lt: receivedAt } }, { receivedAt, _id: { $lt: id } }] }),
        })
        .sort({ receivedAt: -1, _id: -1 })
        .limit(limit + 1)
        .lean();
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return {
        items: page.map(rejectedMessageOf),
        ...(found.length > limit && last ? { nextCursor: cursorOf([last.receivedAt, last._id], list) } : {}),
      };
    },

    async get(ctx) {
      return rejectedMessageOf(await findRejection(this.rejections, tenantOf(ctx), ctx.params.rejectionId));
    },

    // The edge knows what payloads mean. It stores the readings first: a death in between makes duplicates of the same
    // identity, which change nothing, and no loss.
    async redrive(ctx) {
      const { rejectionId, payload } = ctx.params;
      const rejection = await findRejection(this.rejections, tenantOf(ctx), rejectionId);
      await ctx.call("mqtt-bridge.resubmit", resubmissionOf(rejection, payload));
      await this.rejections.deleteOne({ _id: rejection._id });
      this.logger.info("Rejected message re-driven.", audited(ctx, [rejection]));
    },

    async redriveMany(ctx) {
      const { limit, ...filter } = ctx.params;
      const found = await oldestRejections(this.rejections, tenantOf(ctx), filter, limit);
      const redriven: RejectionDocument[] = [];
      const failed: BulkFailure[] = [];
      let away = false;
      for (const rejection of found.slice(0, limit)) {
        if (away) break;
        try {
          await ctx.call("mqtt-bridge.resubmit", resubmissionOf(rejection));
          redriven.push(rejection);
        } catch (error) {
          failed.push(bulkFailure(rejection.rejectionId, error));
          away = isAway(error);
        }
      }
      await this.rejections.deleteMany({ _id: { $in: redriven.map(({ _id }) => _id) } });
      this.logger.info("Rejected messages re-driven.", { ...audited(ctx, redriven), failed: failed.length });
      return { redriven: redriven.length, failed, more: found.length > redriven.length + failed.length };
    },

    async discard(ctx) {
      const rejection = await findRejection(this.rejections, tenantOf(ctx), ctx.params.rejectionId);
      await this.rejections.deleteOne({ _id: rejection._id });
      this.logger.info("Rejected message discarded.", audited(ctx, [rejection]));
    },

    async discardMany(ctx) {
      const { limit, ...filter } = ctx.params;
      const found = await oldestRejections(this.rejections, tenantOf(ctx), filter, limit);
      const rejections = found.slice(0, limit);
      const { deletedCount } = await this.rejections.deleteMany({ _id: { $in: rejections.map(({ _id }) => _id) } });
      this.logger.info("Rejected messages discarded.", audited(ctx, rejections));
      return { discarded: deletedCount, more: found.length > limit };
    },

    async forget(ctx) {
      const { deviceId } = ctx.params;
      const tenantId = tenantOf(ctx);
      await this.broker.publish("telemetry.rejected", deletionOf(tenantId, deviceId), {
        key: `${tenantId}/${deviceId}`,
      });
      await this.rejections.deleteMany({ tenantId, deviceId });
    },
  },

  channels: {
    "telemetry.rejected": {
      group: "rejected-messages",
      async handler({ params: batch }) {
        const { rejections, settings } = this;
        await inOrder(batch, {
          write: (rejected) => keepRejections(rejections, rejected.map(documentOf)),
          remove: ({ tenantId, deviceId }) => rejections.deleteMany({ tenantId, deviceId }),
        });
        // A device's own first: one that sends nonsense all the time leaves the others' alone.
        const devices = batch.map(
          ({ tenantId, deviceId }) => [`${tenantId}/${deviceId}`, { tenantId, deviceId }] as const,
        );
        for (const device of new Map(devices).values())
          await keepNewest(rejections, device, settings.rejectedMessagesPerDeviceMax);
        for (const tenantId of new Set(batch.map((rejected) => rejected.tenantId)))
          await keepNewest(rejections, { tenantId }, settings.rejectedMessagesMax);
      },
    },
  },
});
