import { z } from "zod";
import { defineContract } from "../lib/contract.ts";
import { Cursor, DeviceId, pageLimit, pageOf, TenantId } from "./common.ts";
import {
  BatchLine,
  Credential,
  Device,
  DeviceChange,
  DeviceConfig,
  DeviceRegistration,
  DeviceStatus,
  IssuedCredential,
  JsonObject,
  Label,
} from "./device.ts";
import { DeviceType, DeviceTypeDefinition, RetentionDays, TypeId } from "./device-type.ts";

const ofDevice = z.strictObject({ deviceId: DeviceId });
const ofType = z.strictObject({ typeId: TypeId });
const page = { cursor: Cursor.optional(), limit: pageLimit() };

const Tag = z.string().min(2).max(400).regex(/:/, "must be name:value");

/** Which devices a list holds; all that is given must hold. */
export const DeviceFilter = z.strictObject({
  group: Label.optional(),
  /** `name:value`; several, `tag=a:1&tag=b:2`, must all hold. */
  tag: z.union([Tag, z.array(Tag).max(10)]).optional(),
  type: z.string().min(1).max(100).optional(),
  status: DeviceStatus.optional(),
  connected: z
    .enum(["true", "false"])
    .transform((value) => value === "true")
    .optional(),
  /** Part of the id or the name, whatever its case. */
  q: z.string().min(1).max(100).optional(),
});
export type DeviceFilter = z.output<typeof DeviceFilter>;

/** Who a connection is, once its credential was checked. */
export const AuthenticatedDevice = z
  .object({
    tenantId: TenantId,
    deviceId: DeviceId,
    /** Monotonic per device, from the store: fences late events of older sessions. */
    sessionEpoch: z.int().min(1),
    /** Of the credential that was accepted: its revocation names it. */
    credentialId: z.string(),
    type: z.string().optional(),
  })
  .meta({ id: "AuthenticatedDevice" });

/** Null = as the platform is configured. */
const Settings = z.object({ retentionDays: RetentionDays.nullable() }).meta({ id: "Settings" });

export const deviceRegistry = defineContract({
  name: "device-registry",
  actions: {
    register: {
      summary: "Register a device",
      params: DeviceRegistration,
      result: Device,
      scope: "devices:write",
      rest: "POST /devices",
      status: 201,
      audited: true,
    },
    registerBatch: {
      summary: "Register many devices, one per line; a line that is refused fails alone",
      params: z.strictObject({}),
      lines: DeviceRegistration,
      result: z.object({ registered: z.int(), failed: z.int(), results: z.array(BatchLine).max(1_000_000) }),
      scope: "devices:write",
      rest: "POST /devices:batch",
      audited: true,
    },
    list: {
      summary: "List devices by id",
      params: DeviceFilter.extend(page),
      result: pageOf(Device),
      scope: "devices:read",
      rest: "GET /devices",
    },
    get: {
      summary: "Get a device",
      params: ofDevice,
      result: Device,
      scope: "devices:read",
      rest: "GET /devices/:deviceId",
    },
    update: {
      summary: "Change a device; suspend and resume it by its status",
      params: DeviceChange,
      result: Device,
      scope: "devices:write",
      rest: "PATCH /devices/:deviceId",
      audited: true,
    },
    delete: {
      summary: "Delete a device with its credentials and configuration; its readings only where that is asked for",
      params: ofDevice.extend({ readings: z.enum(["keep", "delete"]).default("keep") }),
      result: z.void(),
      scope: "devices:write",
      rest: "DELETE /devices/:deviceId",
      status: 204,
      audited: true,
    },
    issueCredential: {
      summary: "Make an access token of the device, which may have two; the secret is shown only here",
      params: ofDevice,
      result: IssuedCredential,
      scope: "devices:write",
      rest: "POST /devices/:deviceId/credentials",
      status: 201,
      audited: true,
    },
    listCredentials: {
      summary: "List a device's credentials, oldest first, without secrets",
      params: ofDevice,
      result: pageOf(Credential),
      scope: "devices:read",
      rest: "GET /devices/:deviceId/credentials",
    },
    revokeCredential: {
      summary: "Revoke a credential",
      params: ofDevice.extend({ credentialId: z.uuid() }),
      result: z.void(),
      scope: "devices:write",
      rest: "DELETE /devices/:deviceId/credentials/:credentialId",
      status: 204,
      audited: true,
    },
    putConfig: {
      summary: "Set a device's configuration; it is delivered on its topic `config`",
      params: ofDevice.extend({
        config: JsonObject,
        /** Version that it replaces; 0 = there is none yet. Another one is 409. */
        expectedVersion: z.int().min(0).optional(),
      }),
      result: DeviceConfig,
      scope: "devices:write",
      rest: "PUT /devices/:deviceId/config",
      audited: true,
    },
    getConfig: {
      summary: "Get a device's configuration",
      params: ofDevice,
      result: DeviceConfig,
      scope: "devices:read",
      rest: "GET /devices/:deviceId/config",
    },
    listGroups: {
      summary: "List groups by name, with the number of their devices",
      params: z.strictObject(page),
      result: pageOf(z.object({ name: Label, devices: z.int() })),
      scope: "devices:read",
      rest: "GET /groups",
    },
    putType: {
      summary: "Define a device type",
      params: DeviceTypeDefinition,
      result: DeviceType,
      scope: "devices:write",
      rest: "PUT /device-types/:typeId",
      audited: true,
    },
    getType: {
      summary: "Get a device type",
      params: ofType,
      result: DeviceType,
      scope: "devices:read",
      rest: "GET /device-types/:typeId",
    },
    listTypes: {
      summary: "List device types by id",
      params: z.strictObject(page),
      result: pageOf(DeviceType),
      scope: "devices:read",
      rest: "GET /device-types",
    },
    deleteType: {
      summary: "Delete a device type that no device has",
      params: ofType,
      result: z.void(),
      scope: "devices:write",
      rest: "DELETE /device-types/:typeId",
      status: 204,
      audited: true,
    },
    getSettings: {
      summary: "Get the tenant's settings; null = as the platform is configured",
      params: z.strictObject({}),
      result: Settings,
      scope: "settings:read",
      rest: "GET /settings",
    },
    putSettings: {
      summary: "Set the tenant's settings; what is left out is unset",
      params: z.strictObject({ retentionDays: RetentionDays.nullable().default(null) }),
      result: Settings,
      scope: "settings:write",
      rest: "PUT /settings",
      audited: true,
    },
    /** For edges: checks a device's credential and opens a session epoch. Not on REST. */
    authenticate: {
      summary: "Check a device's access token",
      params: z.strictObject({ tenantId: TenantId, deviceId: DeviceId, secret: z.string().min(1).max(1024) }),
      result: AuthenticatedDevice,
    },
    /** For edges whose broker keeps the sessions: as `authenticate`, without an epoch. 401 where it is not accepted. */
    verify: {
      summary: "Check a device's access token without opening a session",
      params: z.strictObject({ tenantId: TenantId, deviceId: DeviceId, secret: z.string().min(1).max(1024) }),
      result: z.void(),
    },
    /** For edges whose broker has checked the credential itself. */
    recognise: {
      summary: "What an edge has to know of a device, null where there is none",
      params: z.strictObject({ tenantId: TenantId, deviceId: DeviceId }),
      result: z.object({ sessionEpoch: z.int().min(0), status: DeviceStatus, type: z.string().optional() }).nullable(),
    },
    /** For brokers that read a password file: of all tenants, by key. */
    brokerAccounts: {
      summary: "Devices that may connect, with the password hash of their oldest credential",
      params: z.strictObject({ after: z.string().max(200).optional(), limit: z.int().min(1).max(10_000) }),
      result: z.object({
        items: z
          .array(
            z.object({
              tenantId: TenantId,
              deviceId: DeviceId,
              /** Null where the credential is older than these hashes. */
              hash: z.string().nullable(),
            }),
          )
          .max(10_000),
        /** What `after` is for the next page; absent = there is none. */
        next: z.string().optional(),
      }),
    },
    /** For edges: what they deliver on the config topic. */
    config: {
      summary: "A device's configuration, null where there is none",
      params: ofDevice,
      result: DeviceConfig.nullable(),
    },
    /** For edges that may have been away: of all tenants. */
    configuredSince: {
      summary: "Devices whose configuration was put at a time or later",
      params: z.strictObject({
        /** Milliseconds since 1970. */
        since: z.int().min(0),
        after: z.string().max(300).optional(),
        limit: z.int().min(1).max(10_000),
      }),
      result: z.object({
        items: z.array(z.object({ tenantId: TenantId, deviceId: DeviceId })).max(10_000),
        /** What `after` is for the next page; absent = there is none. */
        next: z.string().optional(),
      }),
    },
    /** For edges: what a reading's values must be like; any text may be a device's type. */
    telemetrySchema: {
      summary: "A device type's schema of telemetry, null where there is none",
      params: z.strictObject({ typeId: z.string().min(1).max(100) }),
      result: z.object({ version: z.int(), schema: JsonObject }).nullable(),
    },
    /** For telemetry: from the devices' types. */
    retention: {
      summary: "Days that each device's readings are kept; null = as the tenant's",
      params: z.strictObject({ deviceIds: z.array(DeviceId).max(1000) }),
      result: z.object({ items: z.array(z.object({ deviceId: DeviceId, retentionDays: RetentionDays.nullable() })) }),
    },
    tenantRetention: {
      summary: "Days that the tenant's readings are kept; null = as configured",
      params: z.strictObject({}),
      result: z.object({ retentionDays: RetentionDays.nullable() }),
    },
  },
});
