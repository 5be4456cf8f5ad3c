import { z } from "zod";
import { cursorOf, placeOf } from "../../lib/cursor.ts";
import { instantOf, microsOf } from "../../lib/instant.ts";
import { tenantOf } from "../../lib/meta.ts";
import { defineService } from "../../lib/service.ts";
import { documentStore } from "../../mixins/document-store.mixin.ts";
import { type AuditEvent, type AuditRecorded, audit } from "../../schemas/audit.ts";
import { type AuditEventDocument, auditEventModel } from "./audit-event.model.ts";
import { AuditLog } from "./audit-log.ts";

/** Keeps what was done, by whom, in a chain per tenant that shows whether anything was changed later. */
export default defineService(audit, {
  mixins: [documentStore],
  state: () => ({ log: undefined as unknown as AuditLog }),

  async started() {
    const events = auditEventModel(this.documents);
    await events.init();
    this.log = new AuditLog(events);
  },

  actions: {
    async list(ctx) {
      const tenantId = tenantOf(ctx);
      const { cursor, limit, from, to, ...equal } = ctx.params;
      const query = { ...equal, ...(from && { from: microsOf(from) }), ...(to && { to: microsOf(to) }) };
      const list = ["audit-events", tenantId, query];
      const before = cursor === undefined ? undefined : placeOf(cursor, list, z.int());
      const found = await this.log.latest(tenantId, query, before, limit);
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return {
        items: page.map(auditEventOf),
        ...(found.length > limit && last ? { nextCursor: cursorOf(last.seq, list) } : {}),
      };
    },

    async head(ctx) {
      const { seq, hash } = await this.log.head(tenantOf(ctx));
      return { seq, hash };
    },
  },

  channels: {
    "audit.recorded": {
      group: "audit",
      handler({ params: batch }) {
        return this.log.append(batch);
      },
    },
  },
});

/** As callers see it. */
function auditEventOf({ seq, text, hash }: AuditEventDocument): AuditEvent {
  const { tenantId: _, eventId: id, at, ...event } = JSON.parse(text) as AuditRecorded;
  return { seq, id, at: instantOf(at), ...event, hash };
}
