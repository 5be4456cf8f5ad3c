import { tenantOf } from "../../lib/meta.ts";
import { TypeSchemas } from "../../lib/readings/type-schemas.ts";
import { defineService } from "../../lib/service.ts";
import { mqttBridge } from "../../schemas/mqtt-bridge.ts";
import { bridgePolicy } from "./bridge-policy.ts";
import { dialects } from "./dialects/index.ts";
import type { EdgeOptions } from "./edge/edge-options.ts";
import { EmbeddedEdge } from "./edge/embedded-edge.ts";
import { bridgeMetrics } from "./metrics.ts";
import { resubmittedText } from "./resubmission.ts";
import { tracedPolicy } from "./traced-policy.ts";
import { Uplink } from "./uplink.ts";

interface Settings {
  host?: string;
  mqttPort?: number;
  mqttWsPort?: number;
  maxPacketBytes?: number;
  maxConnections?: number;
  maxKeepAliveSeconds?: number;
  maxSessionSeconds?: number;
  receiveMaximum?: number;
  /** After which a device type is asked for again, changed or not. */
  typeRefreshSeconds?: number;
}

/** The MQTT edge of the platform: what a device publishes is durable before it is acknowledged. */
export default defineService(mqttBridge, {
  dependencies: ["device-registry"],
  settings: {} as Settings,
  state: () => ({
    edge: undefined as EmbeddedEdge | undefined,
    schemas: undefined as TypeSchemas | undefined,
    sampler: undefined as NodeJS.Timeout | undefined,
    /** URLs of the ready line. */
    listening: [] as string[],
  }),

  async opened() {
    const uplink = new Uplink((channel, text, options) => this.broker.publish(channel, text, options));
    const { mqttPort, mqttWsPort, typeRefreshSeconds, ...limits } = this.settings;
    const schemas = new TypeSchemas(
      (tenantId, typeId) => this.broker.call("device-registry.telemetrySchema", { typeId }, { meta: { tenantId } }),
      typeRefreshSeconds,
    );
    this.schemas = schemas;
    const { tracing } = this.broker;
    const policy = bridgePolicy({
      dialects,
      uplink,
      schemas,
      authenticate: (credential) => this.broker.call("device-registry.authenticate", credential),
    });
    const options: EdgeOptions = {
      ...limits,
      ...(mqttPort === undefined ? {} : { port: mqttPort }),
      ...(mqttWsPort === undefined ? {} : { wsPort: mqttWsPort }),
    };
    const edge = await EmbeddedEdge.start(tracing ? tracedPolicy(policy, tracing) : policy, options);
    this.edge = edge;
    this.listening = edge.listening;
    this.sampler = bridgeMetrics(this.broker.metrics, () => ({
      ...uplink.counts,
      refused: edge.refused,
      connections: edge.connections,
    }));
  },

  async stopped() {
    clearInterval(this.sampler);
    await this.edge?.close();
  },

  hints: {
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
