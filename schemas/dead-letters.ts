import { z } from "zod";
import { defineContract } from "../lib/contract.ts";
import { BulkDiscarded, BulkLimit, BulkRedriven, SOME_FILTER, someFilter } from "./bulk.ts";
import { Cursor, DeviceId, Instant, pageLimit, pageOf } from "./common.ts";

const DeadLetterId = z.string().regex(/^[A-Za-z0-9_-]{22}$/, "must be the id of a dead letter");
const Name = z.string().min(1).max(200);
const Cause = z.enum(["rejected", "delivery_limit", "expired"]);

/** A message that a consumer could not handle, without what it carries. */
const summary = {
  id: DeadLetterId,
  kind: z.enum(["facts", "work"]),
  channel: z.string(),
  /** Consumer group that failed with it; absent where it expired before any took it. */
  group: z.string().optional(),
  deviceId: z.string().optional(),
  /** Why it is here: the handler refused it, it was delivered as often as allowed, or its time was up. */
  cause: Cause,
  error: z.object({ message: z.string(), type: z.string(), code: z.string().optional() }),
  attempts: z.int(),
  /** Place in the channel that it came from. */
  position: z.string(),
  publishedAt: Instant,
  deadAt: Instant,
  /** When its payload was last replaced. */
  editedAt: Instant.optional(),
};
export const DeadLetterSummary = z.object(summary).meta({ id: "DeadLetterSummary" });
export type DeadLetterSummary = z.infer<typeof DeadLetterSummary>;

export const DeadLetter = z
  .object({
    ...summary,
    key: z.string().optional(),
    headers: z.record(z.string(), z.string()),
    /** Absent where the bytes are not JSON. */
    payload: z.json().optional(),
    /** The bytes as they are, base64. */
    bytes: z.string(),
    /** False where it was too large to be kept as a whole; then it cannot be re-driven unless it is replaced. */
    complete: z.boolean(),
  })
  .meta({ id: "DeadLetter" });
export type DeadLetter = z.infer<typeof DeadLetter>;

const filter = {
  channel: Name.optional(),
  group: Name.optional(),
  deviceId: DeviceId.optional(),
  cause: Cause.optional(),
  /** Put aside before it. */
  before: Instant.optional(),
};
const Bulk = z.strictObject({ ...filter, limit: BulkLimit }).refine(someFilter, SOME_FILTER);
const One = z.strictObject({ deadLetterId: DeadLetterId });

export const deadLetters = defineContract({
  name: "dead-letters",
  actions: {
    list: {
      summary: "Messages that consumers could not handle, the latest first",
      params: z.strictObject({
        ...filter,
        cursor: Cursor.optional(),
        limit: pageLimit(),
      }),
      result: pageOf(DeadLetterSummary),
      scope: "dead-letters:read",
      rest: "GET /dead-letters",
    },
    get: {
      summary: "Inspect a dead letter",
      params: One,
      result: DeadLetter,
      scope: "dead-letters:read",
      rest: "GET /dead-letters/:deadLetterId",
    },
    edit: {
      summary: "Replace the payload of a dead letter",
      params: One.extend({ payload: z.record(z.string(), z.json()) }),
      result: DeadLetter,
      scope: "dead-letters:write",
      rest: "PATCH /dead-letters/:deadLetterId",
      audited: true,
    },
    redrive: {
      summary: "Send a dead letter to its channel again; only the group that failed takes it",
      params: One,
      result: z.object({ channel: z.string(), group: z.string().optional() }),
      scope: "dead-letters:write",
      rest: "POST /dead-letters/:deadLetterId:redrive",
      audited: true,
    },
    redriveMany: {
      summary: "Send the dead letters that a filter finds to their channels again, the oldest first",
      params: Bulk,
      result: BulkRedriven,
      scope: "dead-letters:write",
      rest: "POST /dead-letters:redrive",
      audited: true,
    },
    discard: {
      summary: "Discard a dead letter for good",
      params: One,
      result: z.void(),
      scope: "dead-letters:write",
      rest: "DELETE /dead-letters/:deadLetterId",
      status: 204,
      audited: true,
    },
    discardMany: {
      summary: "Discard the dead letters that a filter finds for good, the oldest first",
      params: Bulk,
      result: BulkDiscarded,
      scope: "dead-letters:write",
      rest: "POST /dead-letters:discard",
      audited: true,
    },
    /** The device is deleted with what it sent. Not on REST. */
    forget: {
      summary: "Delete the dead letters of a device",
      params: z.strictObject({ deviceId: DeviceId }),
      result: z.void(),
    },
  },
});
