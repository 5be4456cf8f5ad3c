import { join } from "node:path";
import type { Middleware, ServiceSchema } from "moleculer";
import type { Config } from "./config.ts";

/** The configuration as each service sees it: no service knows a variable's name, and none reads another's value. */
export const serviceSettings = (config: Config): Record<string, Record<string, unknown>> => {
  const documents = { documentsFile: join(config.DATA_DIR, "documents.db"), synchronous: config.SQLITE_SYNCHRONOUS };
  const readings = {
    readingsFile: join(config.DATA_DIR, "readings.db"),
    synchronous: config.SQLITE_SYNCHRONOUS,
    metricsPerDeviceMax: config.METRICS_PER_DEVICE_MAX,
  };
  return {
    gateway: {
      host: config.HOST,
      httpPort: config.HTTP_PORT,
      bodyBytesMax: config.HTTP_BODY_BYTES_MAX,
      connectionsMax: config.HTTP_CONNECTIONS_MAX,
      requestTimeoutMs: config.HTTP_REQUEST_SECONDS_MAX * 1000,
      requestsMax: config.HTTP_RATE_LIMIT,
      rateWindowSeconds: config.HTTP_RATE_WINDOW_SECONDS,
    },
    "device-registry": {
      ...documents,
      batchLinesMax: config.DEVICE_BATCH_LINES_MAX,
      batchBytesMax: config.DEVICE_BATCH_BYTES_MAX,
      configBytesMax: config.DEVICE_CONFIG_BYTES_MAX,
      schemaBytesMax: config.TELEMETRY_SCHEMA_BYTES_MAX,
      examinedMax: config.DEVICES_EXAMINED_MAX,
      graceSeconds: config.CONNECTION_GRACE_SECONDS,
    },
    "dead-letters": documents,
    telemetry: { ...readings, typeRefreshSeconds: config.DEVICE_TYPE_REFRESH_SECONDS },
    "telemetry-store": readings,
    "telemetry-latest": { ...readings, latestFile: join(config.DATA_DIR, "latest.db") },
    "telemetry-retention": {
      ...readings,
      retentionDays: config.RETENTION_DAYS,
      checkSeconds: config.RETENTION_CHECK_SECONDS,
    },
    "rejected-messages": { ...documents, rejectedMessagesMax: config.REJECTED_MESSAGES_MAX },
    "mqtt-bridge": {
      host: config.HOST,
      mqttPort: config.MQTT_PORT,
      mqttWsPort: config.MQTT_WS_PORT,
      maxPacketBytes: config.MQTT_PACKET_BYTES_MAX,
      maxConnections: config.MQTT_CONNECTIONS_MAX,
      maxKeepAliveSeconds: config.MQTT_KEEP_ALIVE_SECONDS_MAX,
      maxSessionSeconds: config.MQTT_SESSION_SECONDS_MAX,
      receiveMaximum: config.MQTT_RECEIVE_MAXIMUM,
      typeRefreshSeconds: config.DEVICE_TYPE_REFRESH_SECONDS,
    },
  };
};

/** Lays the configuration over each service's default settings, and the batch size over its consumers. */
export const settingsMiddleware = (config: Config): Middleware => {
  const settings = serviceSettings(config);
  return {
    name: "Settings",
    serviceCreating(
      _service: unknown,
      schema: ServiceSchema & { facts?: Record<string, { batch?: { size?: number } }> },
    ) {
      schema.settings = { ...schema.settings, ...settings[schema.name] };
      for (const consumer of Object.values(schema.facts ?? {}))
        consumer.batch = { size: config.CONSUMER_BATCH_MAX, ...consumer.batch };
    },
  } as Middleware;
};
