import { z } from "zod";
import { defineContract } from "../lib/contract.ts";
import { Cursor, DeviceId, Instant, PAGE_ITEMS_MAX, pageOf, TenantId } from "./common.ts";

const Label = z.string().min(1).max(128);

/** What a caller says of a device when it registers it. */
export const DeviceRegistration = z.strictObject({
  /** Left out: a random UUID. */
  id: DeviceId.optional(),
  name: z.string().min(1).max(200).optional(),
  type: z.string().min(1).max(100).optional(),
  groups: z.array(Label).max(100).optional(),
  tags: z.record(Label, z.string().max(256)).optional(),
});

export const Device = z
  .object({
    id: DeviceId,
    name: z.string().optional(),
    type: z.string().optional(),
    groups: z.array(Label),
    tags: z.record(Label, z.string()),
    createdAt: Instant,
  })
  .meta({ id: "Device" });
export type Device = z.infer<typeof Device>;

/** A secret as it is shown once, when it is made. Only its digest is kept. */
export const IssuedCredential = z
  .object({
    credentialId: z.uuid(),
    kind: z.literal("access-token"),
    /** MQTT password, with the device id (or `tenant/device`) as user name. Never shown again. */
    secret: z.string(),
    createdAt: Instant,
  })
  .meta({ id: "IssuedCredential" });

/** Who a connection is, once its credential was checked. */
export const AuthenticatedDevice = z
  .object({
    tenantId: TenantId,
    deviceId: DeviceId,
    /** Monotonic per device, from the store: fences late events of older sessions. */
    sessionEpoch: z.int().min(1),
  })
  .meta({ id: "AuthenticatedDevice" });

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
    },
    list: {
      summary: "List devices by id",
      params: z.strictObject({
        cursor: Cursor.optional(),
        limit: z.coerce.number().int().min(1).max(PAGE_ITEMS_MAX).default(100),
      }),
      result: pageOf(Device),
      scope: "devices:read",
      rest: "GET /devices",
    },
    get: {
      summary: "Get a device",
      params: z.strictObject({ deviceId: DeviceId }),
      result: Device,
      scope: "devices:read",
      rest: "GET /devices/:deviceId",
    },
    delete: {
      summary: "Delete a device and its credential; its readings stay",
      params: z.strictObject({ deviceId: DeviceId }),
      result: z.void(),
      scope: "devices:write",
      rest: "DELETE /devices/:deviceId",
      status: 204,
    },
    issueCredential: {
      summary: "Make the device's access token, replacing a former one; the secret is shown only here",
      params: z.strictObject({ deviceId: DeviceId }),
      result: IssuedCredential,
      scope: "devices:write",
      rest: "POST /devices/:deviceId/credentials",
      status: 201,
    },
    /** For edges: checks a device's credential and opens a session epoch. Not on REST. */
    authenticate: {
      summary: "Check a device's access token",
      params: z.strictObject({ tenantId: TenantId, deviceId: DeviceId, secret: z.string().min(1).max(1024) }),
      result: AuthenticatedDevice,
    },
  },
});
