import { z } from "zod";
import { DeviceId, Instant } from "./common.ts";

export const Label = z.string().min(1).max(128);
const Name = z.string().min(1).max(200);
const Type = z.string().min(1).max(100);
const Groups = z.array(Label).max(100);
const TagValue = z.string().max(256);
const TAGS_MAX = 100;
const Tags = z
  .record(Label, TagValue)
  .refine((tags) => Object.keys(tags).length <= TAGS_MAX, `must have at most ${TAGS_MAX} tags`);

/** A JSON object of any content; what uses it bounds size and nesting. */
export const JsonObject = z
  .custom<Record<string, unknown>>(
    (value) => typeof value === "object" && value !== null && !Array.isArray(value),
    "must be a JSON object",
  )
  .meta({ type: "object" });

/** What a caller says of a device when it registers it. */
export const DeviceRegistration = z.strictObject({
  /** Left out: a random UUID. */
  id: DeviceId.optional(),
  name: Name.optional(),
  type: Type.optional(),
  groups: Groups.optional(),
  tags: Tags.optional(),
});
export type DeviceRegistration = z.infer<typeof DeviceRegistration>;

/** A suspended device may not connect. */
export const DeviceStatus = z.enum(["active", "suspended"]);
export type DeviceStatus = z.infer<typeof DeviceStatus>;

/** What changes; the rest stays. `groups` and `tags` are replaced as a whole. */
export const DeviceChange = z.strictObject({
  deviceId: DeviceId,
  /** null removes it. */
  name: Name.nullable().optional(),
  /** null removes it. */
  type: Type.nullable().optional(),
  groups: Groups.optional(),
  tags: Tags.optional(),
  status: DeviceStatus.optional(),
});
export type DeviceChange = z.infer<typeof DeviceChange>;

/** The device's newest connection that is open, or else its newest, as far as protocol facts tell. */
export const DeviceConnection = z
  .object({
    /** Number of the connection, counted per device. */
    sessionEpoch: z.int(),
    /** Null where the device's broker does not tell of connections. */
    connected: z.boolean().nullable(),
    /** Absent where `connected` is null. */
    connectedAt: Instant.optional(),
    disconnectedAt: Instant.optional(),
    /** Why it ended; `keep-alive` also where it fell silent and no end was reported. */
    reason: z.string().optional(),
    lastSeenAt: Instant,
    /** Keep-alive in force, seconds; 0 = none. */
    keepAliveSeconds: z.int().optional(),
    protocol: z.string().optional(),
  })
  .meta({ id: "DeviceConnection" });
export type DeviceConnection = z.infer<typeof DeviceConnection>;

export const Device = z
  .object({
    id: DeviceId,
    name: z.string().optional(),
    type: z.string().optional(),
    groups: z.array(Label),
    tags: z.record(Label, z.string()),
    status: DeviceStatus,
    createdAt: Instant,
    /** Absent until it connects for the first time. */
    connection: DeviceConnection.optional(),
    /** What the device said of itself last, and when; only where one device is asked for. */
    reportedStatus: z.object({ status: JsonObject, at: Instant }).optional(),
  })
  .meta({ id: "Device" });
export type Device = z.infer<typeof Device>;

/** One line of a batch: the device that it registered, or why it did not. */
export const BatchLine = z.object({
  /** From 1; empty lines are counted and skipped. */
  line: z.int(),
  /** 201, or what the line alone would have been answered. */
  status: z.int(),
  deviceId: z.string().optional(),
  code: z.string().optional(),
  errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
});
export type BatchLine = z.infer<typeof BatchLine>;

/** A credential without its secret. */
export const Credential = z
  .object({ credentialId: z.uuid(), kind: z.literal("access-token"), createdAt: Instant })
  .meta({ id: "Credential" });
export type Credential = z.infer<typeof Credential>;

/** A secret as it is shown once, when it is made. Only its digest is kept. */
export const IssuedCredential = Credential.extend({
  /** MQTT password, with the device id (or `tenant/device`) as user name. Never shown again. */
  secret: z.string(),
}).meta({ id: "IssuedCredential" });

/** Configuration of one device, as it was put. */
export const DeviceConfig = z
  .object({ version: z.int().min(1), config: JsonObject, updatedAt: Instant })
  .meta({ id: "DeviceConfig" });
export type DeviceConfig = z.infer<typeof DeviceConfig>;
