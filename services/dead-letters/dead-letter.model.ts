import { type Connection, type Model, Schema } from "mongoose";
import type { DeadCause } from "../../lib/channels/dead-cause.ts";

/** A dead letter as stored; `_id` is `tenant/letterId`, so that a second write of it changes nothing. */
export interface DeadLetterDocument {
  _id: string;
  /** Empty where neither key nor payload names one: then no tenant sees it. */
  tenantId: string;
  letterId: string;
  kind: "facts" | "work";
  channel: string;
  /** Empty where no group had it. */
  group: string;
  deviceId?: string;
  key?: string;
  cause: DeadCause;
  errorMessage: string;
  errorType: string;
  errorCode?: string;
  attempts: number;
  position: string;
  publishedAt: Date;
  deadAt: Date;
  /** Pairs, not an object: a header's name may hold dots and dollars, which a field's name may not. */
  headers: { name: string; value: string }[];
  /** As it travelled: JSON text, or what should have been. */
  payload: string;
  complete: boolean;
  editedAt?: Date;
  /** Grows with each edit: what was read before it does not remove what was read after it. */
  revision: number;
}

const text = { type: String, required: true } as const;
const anyText = { type: String, default: "" } as const;
const number = { type: Number, required: true } as const;
const date = { type: Date, required: true } as const;

const schema = new Schema<DeadLetterDocument>(
  {
    _id: text,
    tenantId: anyText,
    letterId: text,
    kind: text,
    channel: text,
    group: anyText,
    deviceId: String,
    key: String,
    cause: text,
    errorMessage: anyText,
    errorType: anyText,
    errorCode: String,
    attempts: number,
    position: text,
    publishedAt: date,
    deadAt: date,
    headers: { type: [{ _id: false, name: String, value: String }], required: true },
    payload: anyText,
    complete: { type: Boolean, required: true },
    editedAt: Date,
    revision: number,
  },
  { versionKey: false, collection: "dead-letters" },
);
schema.index({ tenantId: 1, deadAt: 1, _id: 1 });
schema.index({ tenantId: 1, channel: 1, group: 1, deadAt: 1, _id: 1 });
schema.index({ tenantId: 1, deviceId: 1, deadAt: 1, _id: 1 });
schema.index({ channel: 1, group: 1 });

export const deadLetterModel = (connection: Connection): Model<DeadLetterDocument> =>
  connection.model<DeadLetterDocument>("DeadLetter", schema);

export const keyOf = (tenantId: string, letterId: string): string => `${tenantId}/${letterId}`;
