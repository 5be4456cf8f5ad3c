import { z } from "zod";
import { defineContract } from "../lib/contract.ts";
import { BulkDiscarded, BulkLimit, BulkRedriven, SOME_FILTER, someFilter } from "./bulk.ts";
import { Cursor, DeviceId, Instant, PAGE_ITEMS_MAX, pageOf } from "./common.ts";

/** Metric names of one reading at most. */
export const METRICS_PER_READING_MAX = 256;
/** Longest text value, in UTF-8 bytes. */
export const TEXT_VALUE_BYTES_MAX = 1024;

export const MetricName = z.string().min(1).max(128);
export const MetricValue = z.union([z.number(), z.boolean(), z.string().max(TEXT_VALUE_BYTES_MAX)]);
export const MetricValues = z.record(MetricName, MetricValue);
export type MetricValue = z.infer<typeof MetricValue>;
export type MetricValues = z.infer<typeof MetricValues>;

/**
 * One message of a device, accepted by an edge: the fact on `telemetry.received`.
 * Instants are microseconds since 1970 as integers, because every consumer computes with them.
 */
export interface TelemetryReceived {
  tenantId: string;
  deviceId: string;
  /** Given at the edge before the log; a resent message keeps it. */
  messageId: string;
  /** When the edge had the message, microseconds since 1970. */
  receivedAt: number;
  readings: TelemetryReading[];
}

export interface TelemetryReading {
  /** When the device measured, microseconds since 1970. */
  ts: number;
  /**
   * 53-bit stable hash of the message's identity and the reading's place in it, never counted on arrival:
   * (tenant, device, ts, seq) is the reading's key, so that a second write of it changes nothing.
   */
  seq: number;
  values: MetricValues;
}

/** An uplink message that was refused: the fact on `telemetry.rejected`. */
export interface TelemetryRejected {
  tenantId: string;
  deviceId: string;
  rejectionId: string;
  /** Microseconds since 1970. */
  receivedAt: number;
  topic: string;
  /** Names the field that is wrong. */
  reason: string;
  /** The bytes as they came, base64. */
  payload: string;
  /** As the device gave them, where it did. */
  contentType?: string;
  messageId?: string;
}

export const Reading = z.object({ ts: Instant, values: MetricValues }).meta({ id: "Reading" });
export type Reading = z.infer<typeof Reading>;

export const AggregateFunction = z.enum(["avg", "min", "max", "sum", "count", "first", "last"]);
export type AggregateFunction = z.infer<typeof AggregateFunction>;

/** The readings of [start, end), aggregated per metric. */
export const Aggregate = z
  .object({
    start: Instant,
    end: Instant,
    /** `{"temperature": {"avg": 21.4, "count": 17}}`; a function without a value (no number in the interval) is left out. */
    metrics: z.record(MetricName, z.partialRecord(AggregateFunction, MetricValue)),
  })
  .meta({ id: "Aggregate" });
export type Aggregate = z.infer<typeof Aggregate>;

const list = <Item extends z.ZodType>(item: Item, max: number) =>
  z.preprocess((value) => (typeof value === "string" ? value.split(",") : value), z.array(item).min(1).max(max));

export const RejectedMessage = z
  .object({
    rejectionId: z.string(),
    deviceId: z.string(),
    topic: z.string(),
    reason: z.string(),
    receivedAt: Instant,
    /** The bytes as they came, base64. */
    payload: z.string(),
    contentType: z.string().optional(),
  })
  .meta({ id: "RejectedMessage" });
export type RejectedMessage = z.infer<typeof RejectedMessage>;

export const telemetry = defineContract({
  name: "telemetry",
  actions: {
    readings: {
      summary: "Readings of a device, or with `interval` their aggregates",
      params: z.strictObject({
        deviceId: DeviceId,
        /** Included. */
        from: Instant.optional(),
        /** Excluded. */
        to: Instant.optional(),
        metrics: list(MetricName, 100).optional(),
        order: z.enum(["asc", "desc"]).default("asc"),
        cursor: Cursor.optional(),
        limit: z.coerce.number().int().min(1).max(PAGE_ITEMS_MAX).default(100),
        /** ISO 8601 duration, from PT1S; intervals begin at multiples of it since 1970-01-01T00:00Z. */
        interval: z.string().max(40).optional(),
        aggregate: list(AggregateFunction, 7).optional(),
      }),
      result: z.union([pageOf(Reading), pageOf(Aggregate)]),
      scope: "telemetry:read",
      rest: "GET /devices/:deviceId/readings",
    },
  },
});

const OneRejected = z.strictObject({
  rejectionId: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "must be an id of the list"),
});
const SomeRejected = z
  .strictObject({
    deviceId: DeviceId.optional(),
    reason: z.string().max(1000).optional(),
    /** Received before it. */
    before: Instant.optional(),
    limit: BulkLimit,
  })
  .refine(someFilter, SOME_FILTER);

export const rejectedMessages = defineContract({
  name: "rejected-messages",
  actions: {
    list: {
      summary: "Uplink messages that were refused, newest first",
      params: z.strictObject({
        deviceId: DeviceId.optional(),
        cursor: Cursor.optional(),
        limit: z.coerce.number().int().min(1).max(PAGE_ITEMS_MAX).default(100),
      }),
      result: pageOf(RejectedMessage),
      scope: "telemetry:read",
      rest: "GET /rejected-messages",
    },
    get: {
      summary: "Get a rejected message",
      params: OneRejected,
      result: RejectedMessage,
      scope: "telemetry:read",
      rest: "GET /rejected-messages/:rejectionId",
    },
    redrive: {
      summary: "Decode a rejected message again, as it is or with another payload, and store its readings",
      params: OneRejected.extend({
        /** Takes the place of what the device sent: native telemetry as JSON. */
        payload: z.union([z.record(z.string(), z.json()), z.array(z.json()).max(1000)]).optional(),
      }),
      result: z.void(),
      scope: "telemetry:write",
      rest: "POST /rejected-messages/:rejectionId:redrive",
      status: 204,
    },
    redriveMany: {
      summary: "Decode the rejected messages that a filter finds again, the oldest first",
      params: SomeRejected,
      result: BulkRedriven,
      scope: "telemetry:write",
      rest: "POST /rejected-messages:redrive",
    },
    discard: {
      summary: "Discard a rejected message for good",
      params: OneRejected,
      result: z.void(),
      scope: "telemetry:write",
      rest: "DELETE /rejected-messages/:rejectionId",
      status: 204,
    },
    discardMany: {
      summary: "Discard the rejected messages that a filter finds for good, the oldest first",
      params: SomeRejected,
      result: BulkDiscarded,
      scope: "telemetry:write",
      rest: "POST /rejected-messages:discard",
    },
  },
});

/** Consumer `store`: has no actions of its own. */
export const telemetryStore = defineContract({ name: "telemetry-store", actions: {} });
