import { z } from "zod";
import { defineContract } from "../lib/contract.ts";
import { Cursor, Instant, pageLimit, pageOf } from "./common.ts";

const ActorType = z.enum(["user", "client", "device", "anonymous", "system"]);
const Outcome = z.enum(["success", "failure"]);
const Name = z.string().min(1).max(256);

/** Something that somebody did, or tried, and that must not be forgotten: what travels on the channel. */
export interface AuditRecorded {
  tenantId: string;
  /** Names the event for all time: one that comes again changes nothing. */
  eventId: string;
  /** Microseconds since 1970. */
  at: number;
  /** What was done: the name of an action, or of a step of a protocol such as `oauth.grant`. */
  action: string;
  actor: { type: z.infer<typeof ActorType>; id?: string };
  /** What it was done to, as a path. */
  target?: string;
  outcome: z.infer<typeof Outcome>;
  /** Stable code of a failure. */
  reason?: string;
  requestId?: string;
  /** Of the socket. */
  address?: string;
  details?: Record<string, string>;
}

const Digest = z.string().regex(/^[A-Za-z0-9_-]{43}$/, "must be a SHA-256 in base64url");

/** An event in its tenant's chain. */
export const AuditEvent = z
  .object({
    /** Place in the chain, from 1. */
    seq: z.int(),
    id: z.string(),
    at: Instant,
    action: z.string(),
    actor: z.object({ type: ActorType, id: z.string().optional() }),
    target: z.string().optional(),
    outcome: Outcome,
    reason: z.string().optional(),
    requestId: z.string().optional(),
    address: z.string().optional(),
    details: z.record(z.string(), z.string()).optional(),
    /** Over this event and the hash before it. */
    hash: Digest,
  })
  .meta({ id: "AuditEvent" });
export type AuditEvent = z.infer<typeof AuditEvent>;

/** The end of a chain: kept elsewhere, it tells whether the end was cut off later. */
export const AuditHead = z.object({ seq: z.int(), hash: Digest.or(z.literal("")) }).meta({ id: "AuditHead" });

export const audit = defineContract({
  name: "audit",
  actions: {
    list: {
      summary: "What was done, by whom, the latest first",
      params: z.strictObject({
        action: Name.optional(),
        actorId: Name.optional(),
        target: z.string().min(1).max(1024).optional(),
        outcome: Outcome.optional(),
        /** Included. */
        from: Instant.optional(),
        /** Excluded. */
        to: Instant.optional(),
        cursor: Cursor.optional(),
        limit: pageLimit(),
      }),
      result: pageOf(AuditEvent),
      scope: "audit:read",
      rest: "GET /audit",
    },
    head: {
      summary: "Number and hash of the latest event, to be kept elsewhere",
      params: z.strictObject({}),
      result: AuditHead,
      scope: "audit:read",
      rest: "GET /audit/head",
    },
  },
});
