import { tenantOf } from "../../lib/meta.ts";
import { TypeSchemas } from "../../lib/readings/type-schemas.ts";
import { defineService } from "../../lib/service.ts";
import type { TlsFiles } from "../../lib/tls-files.ts";
import type { Capability } from "../../schemas/edge-capabilities.ts";
import { mqttBridge } from "../../schemas/mqtt-bridge.ts";
import { bridgePolicy } from "./bridge-policy.ts";
import { ConfigCatchUp } from "./config-catch-up.ts";
import { DeviceConfigs } from "./device-configs.ts";
import { DeviceEvents } from "./device-events.ts";
import { dialects } from "./dialects/index.ts";
import { native } from "./dialects/native/native.ts";
import type { Edge } from "./edge/edge.ts";
import type { EdgeOptions } from "./edge/edge-options.ts";
import type { ExternalBroker } from "./edge/external/options.ts";
import { bridgeMetrics } from "./metrics.ts";
import { resubmittedText } from "./resubmission.ts";
import { startEdge } from "./start-edge.ts";
import { tracedPolicy } from "./traced-policy.ts";
import { Uplink } from "./uplink.ts";

/** What a stop waits for the last facts of connections. */
const LAST_FACTS_MS = 1000;

interface Settings
  extends Pick<
    EdgeOptions,
    | "host"
    | "sessionsFile"
    | "synchronous"
    | "maxPacketBytes"
    | "maxTopicBytes"
    | "maxTopicLevels"
    | "maxConnections"
    | "maxConnectionsPerDevice"
    | "maxKeepAliveSeconds"
    | "maxSessionSeconds"
    | "receiveMaximum"
    | "maxMessagesPerSecond"
    | "maxControlPacketsPerSecond"
    | "maxSubscriptions"
    | "maxParkedSessions"
    | "maxParkedSessionsPerDevice"
    | "maxInFlight"
    | "maxQueuedPerSession"
    | "maxRetained"
    | "maxRetainedBytes"
    | "seenIntervalMs"
  > {
  mqttPort?: number;
  mqttWsPort?: number;
  tls?: TlsFiles;
  mqttTlsPort?: number;
  mqttWssPort?: number;
  /** After which a device type is asked for again, changed or not. */
  typeRefreshSeconds?: number;
  /** The broker that devices connect to, in the place of our own. */
  external?: ExternalBroker;
  requiredCapabilities?: Capability[];
}

/** Devices that the registry tells of in one answer. */
const PAGE = 1000;

/** The MQTT edge of the platform: what a device publishes is durable before it is acknowledged. */
export default defineService(mqttBridge, {
  dependencies: ["device-registry"],
  settings: { $secureSettings: ["tls", "external"] } as Settings,
  state: () => ({
    edge: undefined as Edge | undefined,
    closeEdge: undefined as (() => Promise<void>) | undefined,
    schemas: undefined as TypeSchemas | undefined,
    events: undefined as DeviceEvents | undefined,
    configs: undefined as DeviceConfigs | undefined,
    catchUp: undefined as ConfigCatchUp | undefined,
    sampler: undefined as NodeJS.Timeout | undefined,
    unwatch: undefined as (() => void) | undefined,
    reload: undefined as (() => void) | undefined,
    /** URLs of the ready line. */
    listening: [] as readonly string[],
  }),

  async opened() {
    const uplink = new Uplink((channel, text, options) => this.broker.publish(channel, text, options));
    const events = new DeviceEvents(
      (text, options) => this.broker.publish("device.events", text, options),
      (device, message, reason) => uplink.reject(device, message, reason),
    );
    const configs = new DeviceConfigs({
      fetch: ({ tenantId, deviceId }) =>
        this.broker.call("device-registry.config", { deviceId }, { meta: { tenantId } }),
      deliver: async (device, payload) => this.edge?.setCurrent(device, native.configTopic(device.deviceId), payload),
      failed: ({ tenantId, deviceId }, error) =>
        this.logger.warn("A configuration could not be delivered.", { tenantId, deviceId, error }),
    });
    const { mqttPort, mqttWsPort, mqttTlsPort, mqttWssPort, typeRefreshSeconds, ...others } = this.settings;
    const { external, requiredCapabilities: required, ...limits } = others;
    const schemas = new TypeSchemas(
      (tenantId, typeId) => this.broker.call("device-registry.telemetrySchema", { typeId }, { meta: { tenantId } }),
      typeRefreshSeconds,
    );
    this.schemas = schemas;
    const { tracing } = this.broker;
    const policy = bridgePolicy({
      ...{ dialects, uplink, events, configs, schemas },
      authenticate: (credential) => this.broker.call("device-registry.authenticate", credential),
      verify: (credential) => this.broker.call("device-registry.verify", credential),
      recognise: (device) => this.broker.call("device-registry.recognise", device),
      typeOf: async ({ tenantId, deviceId }) =>
        (await this.broker.call("device-registry.get", { deviceId }, { meta: { tenantId } })).type,
    });
    const options: EdgeOptions = {
      ...limits,
      ...(mqttPort === undefined ? {} : { port: mqttPort }),
      ...(mqttWsPort === undefined ? {} : { wsPort: mqttWsPort }),
      ...(mqttTlsPort === undefined ? {} : { tlsPort: mqttTlsPort }),
      ...(mqttWssPort === undefined ? {} : { wssPort: mqttWssPort }),
    };
    this.events = events;
    this.configs = configs;
    const { broker } = this;
    if (external)
      this.catchUp = new ConfigCatchUp({
        file: external.toldFile,
        changedSince: (since, after) =>
          broker.call("device-registry.configuredSince", {
            ...{ since, limit: PAGE },
            ...(after === undefined ? {} : { after }),
          }),
        bring: (device) => configs.bring(device),
        failed: (error) => this.logger.warn("Configurations could not be brought; it is tried again.", { error }),
      });
    const { edge, close } = await startEdge(tracing ? tracedPolicy(policy, tracing) : policy, {
      ...{ embedded: options, external, required },
      refreshMs: typeRefreshSeconds === undefined ? undefined : typeRefreshSeconds * 1000,
      async *accounts() {
        for (let after: string | undefined, more = true; more; more = after !== undefined) {
          const page = { limit: PAGE, ...(after === undefined ? {} : { after }) };
          const { items, next } = await broker.call("device-registry.brokerAccounts", page);
          yield items;
          after = next;
        }
      },
      up: () => setImmediate(() => this.catchUp?.begin()),
      log: (message, fields) => this.logger.warn(message, fields),
    });
    this.edge = edge;
    this.closeEdge = close;
    this.listening = edge.listening;
    this.unwatch = this.broker.health?.register(() => edge.trouble);
    if (limits.tls) {
      this.reload = () => {
        try {
          edge.reloadCertificate();
          this.logger.info("The certificate was read again.");
        } catch (error) {
          this.logger.error("The certificate could not be read again; the former one stays.", { error });
        }
      };
      process.on("SIGHUP", this.reload);
    }
    this.sampler = bridgeMetrics(this.broker.metrics, () => ({
      ...uplink.counts,
      refused: edge.refused,
      dropped: edge.dropped,
      connections: edge.connections,
    }));
  },

  async stopped() {
    clearInterval(this.sampler);
    this.unwatch?.();
    if (this.reload) process.off("SIGHUP", this.reload);
    this.catchUp?.stop();
    await this.closeEdge?.();
    await this.events?.idle(LAST_FACTS_MS);
  },

  hints: {
    "device.access-revoked"({ tenantId, deviceId }) {
      this.edge?.disconnect({ tenantId, deviceId });
    },
    "device.access-granted"({ tenantId, deviceId }) {
      this.edge?.admit?.({ tenantId, deviceId });
    },
    "device.config-changed"({ tenantId, deviceId }) {
      void this.configs?.changed({ tenantId, deviceId });
    },
    "device-type.changed"({ tenantId, typeId }) {
      return this.schemas?.changed(tenantId, typeId);
    },
  },

  actions: {
    async resubmit(ctx) {
      const { deviceId, payload, contentType, messageId, ...rest } = ctx.params;
      const device = { tenantId: tenantOf(ctx), deviceId };
      const { type } = await ctx.call("device-registry.get", { deviceId });
      const schema = type === undefined ? undefined : await this.schemas?.of(device.tenantId, type);
      const message = { ...rest, contentType, messageId, payload: Buffer.from(payload, "base64") };
      const text = resubmittedText(dialects, device, message, schema);
      await this.broker.publish("telemetry.received", text, { key: `${device.tenantId}/${deviceId}`, raw: true });
    },
  },
});
