import { z } from "zod";
import { defineContract } from "../lib/contract.ts";
import { BulkDiscarded, BulkLimit, BulkRedriven, SOME_FILTER, someFilter } from "./bulk.ts";
import { Cursor, DeviceId, Instant, PageLimit, pageLimit, pageOf } from "./common.ts";

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
  /**
   * Not a device's message but a deletion of its readings, `from` included and `to` excluded, microseconds since 1970:
   * on the channel, so that what it had before goes too, wherever a consumer is. `readings` is empty then.
   */
  deleted?: { from?: number; to?: number };
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
  /**
   * `ts` is that of arrival and `seq` comes from an id of the sender's own: sent again it has another `ts` and is the
   * same reading, for which every store keeps the first `ts`.
   */
  named?: true;
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
  /**
   * Not a message but the deletion of what was refused of the device: on the channel, so that what it had before goes
   * too, wherever a consumer is. The fields of a message are empty then.
   */
  deleted?: true;
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

/** Items of a page of readings, where the caller doesn't say. */
export const READINGS_PAGE = 100;
/** Readings of one request, as of one MQTT message. */
export const READINGS_PER_REQUEST_MAX = 1000;

/**
 * A reading as it is written by REST. The handler checks it by the rules that an MQTT payload is checked by; this is
 * their description.
 */
const ReadingInput = z.strictObject({
  /** RFC 3339, or seconds (below 1e11) or milliseconds since 1970; left out: the arrival. */
  ts: z.union([z.string().max(40), z.number()]).optional(),
  values: MetricValues,
  /** The reading's own identity: sent again under its id it is stored once. */
  id: z.union([z.string().min(1).max(128), z.int()]).optional(),
});

const { $schema: _, ...readingDescription } = z.toJSONSchema(ReadingInput, { io: "input" }) as Record<string, unknown>;

/** Newest value of each metric of a device. */
export const LatestValues = z
  .object({ deviceId: DeviceId, metrics: z.record(MetricName, z.object({ ts: Instant, value: MetricValue })) })
  .meta({ id: "LatestValues" });
export type LatestValues = z.infer<typeof LatestValues>;

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
        limit: PageLimit.optional().meta({ default: READINGS_PAGE }),
        /** ISO 8601 duration, from PT1S to P36525D or P100Y. */
        interval: z.string().max(40).optional(),
        /** IANA time zone in which intervals begin; left out: UTC. */
        timeZone: z.string().max(64).optional().meta({ example: "Europe/Berlin" }),
        aggregate: list(AggregateFunction, 7).optional(),
      }),
      // A stream is a Readable, which only the gateway sees.
      result: z.union([pageOf(Reading), pageOf(Aggregate)]),
      scope: "telemetry:read",
      rest: "GET /devices/:deviceId/readings",
      streams: ["text/csv", "application/x-ndjson"],
    },
    write: {
      summary: "Readings of a device that speaks no MQTT; all of them are accepted, durably, or none",
      params: z.strictObject({
        deviceId: DeviceId,
        readings: z.array(z.unknown().meta(readingDescription)).min(1).max(READINGS_PER_REQUEST_MAX),
      }),
      result: z.object({ accepted: z.int() }),
      scope: "telemetry:write",
      rest: "POST /devices/:deviceId/readings",
      status: 202,
    },
    deleteReadings: {
      summary: "Delete readings of a device, all or those of a range",
      params: z.strictObject({
        deviceId: DeviceId,
        /** Included. */
        from: Instant.optional(),
        /** Excluded. */
        to: Instant.optional(),
      }),
      result: z.object({ deleted: z.int() }),
      scope: "telemetry:write",
      rest: "DELETE /devices/:deviceId/readings",
      audited: true,
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
        limit: pageLimit(),
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
      audited: true,
    },
    redriveMany: {
      summary: "Decode the rejected messages that a filter finds again, the oldest first",
      params: SomeRejected,
      result: BulkRedriven,
      scope: "telemetry:write",
      rest: "POST /rejected-messages:redrive",
      audited: true,
    },
    discard: {
      summary: "Discard a rejected message for good",
      params: OneRejected,
      result: z.void(),
      scope: "telemetry:write",
      rest: "DELETE /rejected-messages/:rejectionId",
      status: 204,
      audited: true,
    },
    discardMany: {
      summary: "Discard the rejected messages that a filter finds for good, the oldest first",
      params: SomeRejected,
      result: BulkDiscarded,
      scope: "telemetry:write",
      rest: "POST /rejected-messages:discard",
      audited: true,
    },
    /** The device is deleted with what it sent. Not on REST. */
    forget: {
      summary: "Delete the rejected messages of a device",
      params: z.strictObject({ deviceId: DeviceId }),
      result: z.void(),
    },
  },
});

export const telemetryLatest = defineContract({
  name: "telemetry-latest",
  actions: {
    get: {
      summary: "Newest value of each metric of a device",
      params: z.strictObject({ deviceId: DeviceId }),
      result: LatestValues,
      scope: "telemetry:read",
      rest: "GET /devices/:deviceId/latest",
    },
    list: {
      summary: "Newest values of several devices, in the order asked for; those without any are left out",
      params: z.strictObject({ deviceIds: list(DeviceId, 100) }),
      result: z.object({ items: z.array(LatestValues).max(100) }),
      scope: "telemetry:read",
      rest: "GET /latest",
    },
    /** Readings of the range were deleted: values that came from them make way for those that are left. Not on REST. */
    forget: {
      summary: "Drop values whose readings were deleted",
      params: z.strictObject({ deviceId: DeviceId, from: Instant.optional(), to: Instant.optional() }),
      result: z.void(),
    },
  },
});

/** Deletes what is older than it has to be kept: has no actions of its own. */
export const telemetryRetention = defineContract({ name: "telemetry-retention", actions: {} });

/** Consumer `store`: has no actions of its own. */
export const telemetryStore = defineContract({ name: "telemetry-store", actions: {} });
