import { type Connection, type Model, Schema } from "mongoose";

/** An event as stored. It is its text that is hashed; the other fields are for finding it. */
export interface AuditEventDocument {
  /** `tenant/seq`: two that would be at one place of the chain exclude each other. */
  _id: string;
  tenantId: string;
  seq: number;
  eventId: string;
  /** Microseconds since 1970. */
  at: number;
  action: string;
  actorId?: string;
  target?: string;
  outcome: string;
  /** JSON of the event as it was recorded. */
  text: string;
  hash: string;
}

const text = { type: String, required: true } as const;
const number = { type: Number, required: true } as const;

const schema = new Schema<AuditEventDocument>(
  {
    _id: text,
    tenantId: text,
    seq: number,
    eventId: text,
    at: number,
    action: text,
    actorId: String,
    target: String,
    outcome: text,
    text,
    hash: text,
  },
  { versionKey: false, collection: "audit-events" },
);
schema.index({ tenantId: 1, seq: 1 });
schema.index({ tenantId: 1, eventId: 1 }, { unique: true });

export const auditEventModel = (connection: Connection): Model<AuditEventDocument> =>
  connection.model<AuditEventDocument>("AuditEvent", schema);
