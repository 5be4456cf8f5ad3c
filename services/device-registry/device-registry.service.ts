import { randomUUID } from "node:crypto";
import { Errors } from "moleculer";
import { boundedJson } from "../../lib/bounded-json.ts";
import { cursorOf, placeOf } from "../../lib/cursor.ts";
import { tenantOf } from "../../lib/meta.ts";
import { defineService } from "../../lib/service.ts";
import { problemsOf } from "../../lib/telemetry-schema.ts";
import { type DocumentStoreSettings, documentStore } from "../../mixins/document-store.mixin.ts";
import { DeviceId } from "../../schemas/common.ts";
import { Label } from "../../schemas/device.ts";
import { deviceRegistry } from "../../schemas/device-registry.ts";
import { TypeId } from "../../schemas/device-type.ts";
import { readBatch, registerLines } from "./batch.ts";
import { credentialOf, credentialsOf, digestOf, newSecret } from "./credential.ts";
import { Credentials } from "./credentials.ts";
import { Deletion } from "./deletion.ts";
import { deviceModel } from "./device.model.ts";
import { deviceOf, documentOf, fullDeviceOf } from "./device.ts";
import { deviceConfigModel, deviceConfigOf } from "./device-config.model.ts";
import { DeviceConfigs } from "./device-configs.ts";
import { followEvents } from "./device-events.ts";
import { deviceFilter, isSelective } from "./device-filter.ts";
import { countGroups, searchDevices } from "./device-search.ts";
import { deviceTypeModel, deviceTypeOf } from "./device-type.model.ts";
import { DeviceTypes } from "./device-types.ts";
import { Devices } from "./devices.ts";
import { ConfigNotFoundError, CredentialRefusedError, DeviceTypeNotFoundError } from "./errors.ts";
import { TenantSettings } from "./tenant-settings.ts";

interface Settings extends Partial<DocumentStoreSettings> {
  batchLinesMax: number;
  batchBytesMax: number;
  configBytesMax: number;
  schemaBytesMax: number;
  /** Devices that one request for a list looks at. */
  examinedMax: number;
  /** Seconds beyond 1.5 keep-alives after which a silent connection counts as lost. */
  graceSeconds: number;
}

/** Nesting of what callers give as JSON: beyond it, what recurses would end at a depth of its own. */
const JSON_DEPTH_MAX = 40;
const SWEEP_MS = 60_000;

export default defineService(deviceRegistry, {
  mixins: [documentStore],
  settings: {
    batchLinesMax: 10_000,
    batchBytesMax: 16_777_216,
    configBytesMax: 65_536,
    schemaBytesMax: 65_536,
    examinedMax: 20_000,
    graceSeconds: 60,
  } as Settings,
  // Made in `started`, before anybody asks.
  state: () => ({
    devices: undefined as unknown as Devices,
    credentials: undefined as unknown as Credentials,
    types: undefined as unknown as DeviceTypes,
    configs: undefined as unknown as DeviceConfigs,
    tenants: undefined as unknown as TenantSettings,
    deletion: undefined as unknown as Deletion,
    sweeper: undefined as NodeJS.Timeout | undefined,
  }),

  async started() {
    const devices = deviceModel(this.documents);
    const types = deviceTypeModel(this.documents);
    const configs = deviceConfigModel(this.documents);
    await Promise.all([devices.init(), types.init(), configs.init()]);
    this.devices = new Devices(devices);
    this.credentials = new Credentials(this.devices);
    this.types = new DeviceTypes(types, this.devices);
    this.configs = new DeviceConfigs(configs);
    this.tenants = new TenantSettings(this.documents);
    this.deletion = new Deletion(this.devices, this.configs, (tenantId, deviceId) =>
      this.broker.call("telemetry.deleteReadings", { deviceId }, { meta: { tenantId } }),
    );
  },

  /** What was cut off by the end of the last process is finished now. */
  async opened() {
    const sweep = () =>
      this.deletion
        .sweep(new Date())
        .catch((error: unknown) => this.logger.warn("A deletion could not be finished; tried again.", { error }));
    await sweep();
    this.sweeper = setInterval(sweep, SWEEP_MS).unref();
  },

  stopped() {
    clearInterval(this.sweeper);
  },

  actions: {
    async register(ctx) {
      const { id: deviceId = randomUUID() } = ctx.params;
      const device = documentOf(tenantOf(ctx), ctx.params, deviceId, new Date());
      await this.devices.insert(device);
      ctx.meta.$location = `/v1/devices/${encodeURIComponent(deviceId)}`;
      return deviceOf(device, view(this.settings));
    },

    async registerBatch(ctx) {
      const { batchLinesMax: linesMax, batchBytesMax: bytesMax } = this.settings;
      const lines = await readBatch(ctx.stream as unknown as AsyncIterable<Buffer>, { linesMax, bytesMax });
      const results = await registerLines(lines, {
        tenantId: tenantOf(ctx),
        now: new Date(),
        newId: randomUUID,
        insertNew: (devices) => this.devices.insertNew(devices),
      });
      const registered = results.filter(({ status }) => status === 201).length;
      return { registered, failed: results.length - registered, results };
    },

    async list(ctx) {
      const { cursor, limit, ...filter } = ctx.params;
      const tenantId = tenantOf(ctx);
      const list = ["devices", tenantId, Object.entries(filter).sort()];
      const seen = view(this.settings);
      const { devices, next } = await searchDevices(this.devices.model, {
        tenantId,
        type: filter.type,
        after: cursor === undefined ? undefined : placeOf(cursor, list, DeviceId),
        matches: isSelective(filter) ? deviceFilter(filter, seen) : () => true,
        limit,
        examinedMax: this.settings.examinedMax,
      });
      return {
        items: devices.map((device) => deviceOf(device, seen)),
        ...(next === undefined ? {} : { nextCursor: cursorOf(next, list) }),
      };
    },

    async get(ctx) {
      return fullDeviceOf(await this.devices.get(tenantOf(ctx), ctx.params.deviceId), view(this.settings));
    },

    async update(ctx) {
      const tenantId = tenantOf(ctx);
      const { deviceId, status } = ctx.params;
      const device = await this.devices.change(tenantId, ctx.params);
      if (status === "suspended") await this.broker.broadcast("device.access-revoked", { tenantId, deviceId });
      return fullDeviceOf(device, view(this.settings));
    },

    async delete(ctx) {
      const tenantId = tenantOf(ctx);
      const { deviceId, readings } = ctx.params;
      const device = await this.deletion.begin(tenantId, deviceId, new Date(), readings === "delete");
      await this.broker.broadcast("device.access-revoked", { tenantId, deviceId });
      await this.deletion.finish(device);
    },

    async issueCredential(ctx) {
      const { deviceId } = ctx.params;
      const secret = newSecret();
      const credential = {
        credentialId: randomUUID(),
        kind: "access-token" as const,
        digest: digestOf(secret),
        createdAt: new Date(),
      };
      await this.credentials.add(tenantOf(ctx), deviceId, credential);
      const { credentialId } = credential;
      ctx.meta.$location = `/v1/devices/${encodeURIComponent(deviceId)}/credentials/${credentialId}`;
      return { ...credentialOf(credential), secret };
    },

    async listCredentials(ctx) {
      return { items: (await this.credentials.list(tenantOf(ctx), ctx.params.deviceId)).map(credentialOf) };
    },

    async revokeCredential(ctx) {
      const tenantId = tenantOf(ctx);
      const { deviceId, credentialId } = ctx.params;
      await this.credentials.revoke(tenantId, deviceId, credentialId);
      await this.broker.broadcast("device.access-revoked", { tenantId, deviceId, credentialId });
    },

    async putConfig(ctx) {
      const tenantId = tenantOf(ctx);
      const { deviceId, config, expectedVersion } = ctx.params;
      const bounds = { bytesMax: this.settings.configBytesMax, depthMax: JSON_DEPTH_MAX };
      const text = boundedJson(config, "config", bounds);
      const device = await this.devices.get(tenantId, deviceId);
      const stored = await this.configs.put(device, text, expectedVersion, new Date());
      await this.broker.broadcast("device.config-changed", { tenantId, deviceId });
      return deviceConfigOf(stored);
    },

    async getConfig(ctx) {
      const { deviceId } = ctx.params;
      const found = await this.configs.find(await this.devices.get(tenantOf(ctx), deviceId));
      if (!found) throw new ConfigNotFoundError(deviceId);
      return deviceConfigOf(found);
    },

    async listGroups(ctx) {
      const { cursor, limit } = ctx.params;
      const tenantId = tenantOf(ctx);
      const list = ["groups", tenantId];
      const after = cursor === undefined ? undefined : placeOf(cursor, list, Label);
      const groups = (await countGroups(this.devices.model, tenantId)).filter(
        ([name]) => after === undefined || name > after,
      );
      const last = groups[limit - 1];
      return {
        items: groups.slice(0, limit).map(([name, devices]) => ({ name, devices })),
        ...(groups.length > limit && last ? { nextCursor: cursorOf(last[0], list) } : {}),
      };
    },

    async putType(ctx) {
      const tenantId = tenantOf(ctx);
      const { typeId, telemetrySchema, metrics, retentionDays } = ctx.params;
      const bounds = { bytesMax: this.settings.schemaBytesMax, depthMax: JSON_DEPTH_MAX };
      const text = telemetrySchema && boundedJson(telemetrySchema, "telemetrySchema", bounds);
      const problems = telemetrySchema ? await problemsOf(telemetrySchema) : [];
      if (problems.length > 0)
        throw new Errors.ValidationError("Invalid parameters.", "VALIDATION_ERROR", problems.slice(0, PROBLEMS_MAX));
      const type = await this.types.put(tenantId, typeId, {
        ...(text === undefined ? {} : { telemetrySchema: text }),
        ...(metrics === undefined ? {} : { metrics: JSON.stringify(metrics) }),
        ...(retentionDays === undefined ? {} : { retentionDays }),
        updatedAt: new Date(),
      });
      await this.broker.broadcast("device-type.changed", { tenantId, typeId });
      if (type.version === 1) {
        ctx.meta.$statusCode = 201;
        ctx.meta.$location = `/v1/device-types/${encodeURIComponent(typeId)}`;
      }
      return deviceTypeOf(type);
    },

    async getType(ctx) {
      const { typeId } = ctx.params;
      const type = await this.types.find(tenantOf(ctx), typeId);
      if (!type) throw new DeviceTypeNotFoundError(typeId);
      return deviceTypeOf(type);
    },

    async listTypes(ctx) {
      const { cursor, limit } = ctx.params;
      const tenantId = tenantOf(ctx);
      const list = ["device-types", tenantId];
      const after = cursor === undefined ? undefined : placeOf(cursor, list, TypeId);
      const found = await this.types.list(tenantId, after, limit + 1);
      const last = found[limit - 1];
      return {
        items: found.slice(0, limit).map(deviceTypeOf),
        ...(found.length > limit && last ? { nextCursor: cursorOf(last.typeId, list) } : {}),
      };
    },

    async deleteType(ctx) {
      const tenantId = tenantOf(ctx);
      const { typeId } = ctx.params;
      await this.types.delete(tenantId, typeId);
      await this.broker.broadcast("device-type.changed", { tenantId, typeId });
    },

    getSettings(ctx) {
      return this.tenants.get(tenantOf(ctx));
    },

    async putSettings(ctx) {
      const tenantId = tenantOf(ctx);
      await this.tenants.put(tenantId, ctx.params);
      return this.tenants.get(tenantId);
    },

    async authenticate(ctx) {
      const { tenantId, deviceId, secret } = ctx.params;
      const digest = digestOf(secret);
      const device = await this.devices.openSession(tenantId, deviceId, digest);
      const credential = device && credentialsOf(device).find((known) => known.digest === digest);
      if (!credential) throw new CredentialRefusedError();
      const { sessionEpoch, type } = device;
      const { credentialId } = credential;
      return { tenantId, deviceId, sessionEpoch, credentialId, ...(type === undefined ? {} : { type }) };
    },

    async config(ctx) {
      const device = await this.devices.find(tenantOf(ctx), ctx.params.deviceId);
      const found = device && (await this.configs.find(device));
      return found ? deviceConfigOf(found) : null;
    },

    async telemetrySchema(ctx) {
      const type = await this.types.find(tenantOf(ctx), ctx.params.typeId);
      if (type?.telemetrySchema === undefined) return null;
      return { version: type.version, schema: JSON.parse(type.telemetrySchema) as Record<string, unknown> };
    },

    async retention(ctx) {
      const { deviceIds } = ctx.params;
      const days = await this.types.retentionOf(tenantOf(ctx), deviceIds);
      return { items: deviceIds.map((deviceId) => ({ deviceId, retentionDays: days.get(deviceId) ?? null })) };
    },

    tenantRetention(ctx) {
      return this.tenants.get(tenantOf(ctx));
    },
  },

  channels: {
    "device.events": {
      group: "connection-status",
      handler({ params: batch }) {
        return followEvents(this.devices.model, batch);
      },
    },
  },
});

/** Wrong places of a schema that are told at once. */
const PROBLEMS_MAX = 10;

const view = ({ graceSeconds }: Settings) => ({ now: Date.now(), graceSeconds });
