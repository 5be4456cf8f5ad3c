import type { Model } from "mongoose";
import { z } from "zod";
import { cursorOf, placeOf } from "../../../lib/cursor.ts";
import { tenantOf } from "../../../lib/meta.ts";
import { defineService } from "../../../lib/service.ts";
import { type DocumentStoreSettings, documentStore } from "../../../mixins/document-store.mixin.ts";
import { rejectedMessages } from "../../../schemas/telemetry.ts";
import { type RejectionDocument, rejectionModel } from "./rejection.model.ts";
import { documentOf, rejectedMessageOf } from "./rejection.ts";

const Place = z.tuple([z.int(), z.string()]);

interface Settings extends Partial<DocumentStoreSettings> {
  /** Messages kept per tenant; the oldest go first. */
  rejectedMessagesMax: number;
}

/** Keeps what devices sent and the platform refused, so that somebody can see why. */
export default defineService(rejectedMessages, {
  mixins: [documentStore],
  settings: { rejectedMessagesMax: 10_000 } as Settings,
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
  },

  channels: {
    "telemetry.rejected": {
      group: "rejected-messages",
      async handler({ params: batch }) {
        const { rejections, settings } = this;
        await rejections.bulkWrite(
          batch.map(documentOf).map(({ _id, ...document }) => ({
            updateOne: { filter: { _id }, update: { $setOnInsert: document }, upsert: true },
          })),
          { ordered: false },
        );
        for (const tenantId of new Set(batch.map((rejected) => rejected.tenantId))) {
          const excess = (await rejections.countDocuments({ tenantId })) - settings.rejectedMessagesMax;
          if (excess <= 0) continue;
          const oldest = await rejections
            .find({ tenantId }, { _id: 1 })
            .sort({ receivedAt: 1, _id: 1 })
            .limit(excess)
            .lean();
          await rejections.deleteMany({ _id: { $in: oldest.map(({ _id }) => _id) } });
        }
      },
    },
  },
});
