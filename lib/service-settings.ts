import { join } from "node:path";
import type { Middleware, ServiceSchema } from "moleculer";
import { nodeIdOf } from "./cluster/transporter.ts";
import type { Config } from "./config.ts";
import { localIssuer } from "./issuer.ts";
import type { MongoSettings } from "./mongo/shared-client.ts";

const DAY_SECONDS = 86_400;

const issuerOf = ({ ISSUER, HTTP_PORT }: Config): string => ISSUER ?? localIssuer(HTTP_PORT || 3000);

/** The configuration as each service sees it: no service knows a variable's name, and none reads another's value. */
export const serviceSettings = (config: Config): Record<string, Record<string, unknown>> => {
  const mongo = mongoSettings(config);
  const documents = {
    documentsFile: join(config.DATA_DIR, "documents.db"),
    synchronous: config.SQLITE_SYNCHRONOUS,
    ...mongo,
  };
  const readings = {
    ...mongo,
    readingsFile: join(config.DATA_DIR, "readings.db"),
    synchronous: config.SQLITE_SYNCHRONOUS,
    metricsPerDeviceMax: config.METRICS_PER_DEVICE_MAX,
    readingNameHours: config.READING_NAME_HOURS,
  };
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } = config;
  const tls = certFile !== undefined && keyFile !== undefined ? { tls: { certFile, keyFile } } : {};
  return {
    gateway: {
      ...tls,
      host: config.HOST,
      httpPort: config.HTTP_PORT,
      httpsPort: config.HTTPS_PORT,
      bodyBytesMax: config.HTTP_BODY_BYTES_MAX,
      connectionsMax: config.HTTP_CONNECTIONS_MAX,
      requestTimeoutMs: config.HTTP_REQUEST_SECONDS_MAX * 1000,
      keepAliveMs: config.HTTP_KEEP_ALIVE_SECONDS * 1000,
      requestsMax: config.HTTP_RATE_LIMIT,
      rateWindowSeconds: config.HTTP_RATE_WINDOW_SECONDS,
      ...(config.ISSUER !== undefined && { issuer: config.ISSUER }),
      ...(config.AUTH === "required" ? { auth: authSettings(config) } : {}),
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
    oauth: {
      ...documents,
      ...(config.ISSUER !== undefined && { issuer: config.ISSUER }),
      ...(config.OAUTH_KEY !== undefined && { key: config.OAUTH_KEY }),
      $secureSettings: ["key", "mongo"],
      keyFile: join(config.DATA_DIR, "oauth.key"),
      limits: {
        accessTokenSeconds: config.ACCESS_TOKEN_SECONDS,
        refreshTokenSeconds: config.REFRESH_TOKEN_DAYS * DAY_SECONDS,
        sessionSeconds: config.LOGIN_DAYS * DAY_SECONDS,
        codeSeconds: config.AUTHORIZATION_CODE_SECONDS,
        deviceCodeSeconds: config.DEVICE_CODE_SECONDS,
        devicePollSeconds: config.DEVICE_POLL_SECONDS,
        refreshGraceSeconds: config.REFRESH_GRACE_SECONDS,
      },
      requireNonce: config.DPOP_NONCE_REQUIRED,
      keySignsSeconds: config.SIGNING_KEY_DAYS * DAY_SECONDS,
      keyPublishedAheadSeconds: config.SIGNING_KEY_PUBLISHED_SECONDS,
    },
    audit: documents,
    users: {
      ...documents,
      issuer: issuerOf(config),
      invitationSeconds: config.INVITATION_DAYS * DAY_SECONDS,
      resetSeconds: config.PASSWORD_RESET_SECONDS,
      attempts: {
        pairMax: config.LOGIN_FAILURES_MAX,
        accountMax: config.LOGIN_FAILURES_PER_ACCOUNT_MAX,
        addressMax: config.LOGIN_FAILURES_PER_ADDRESS_MAX,
        windowSeconds: config.LOGIN_WINDOW_SECONDS,
      },
    },
    mail: {
      ...(config.SMTP_URL === undefined ? {} : { url: config.SMTP_URL, $secureSettings: ["url"] }),
      from: config.MAIL_FROM,
      timeoutMs: config.SMTP_TIMEOUT_SECONDS * 1000,
    },
    telemetry: { ...readings, typeRefreshSeconds: config.DEVICE_TYPE_REFRESH_SECONDS },
    "telemetry-store": readings,
    "telemetry-latest": { ...readings, latestFile: join(config.DATA_DIR, "latest.db") },
    "telemetry-retention": {
      ...readings,
      retentionDays: config.RETENTION_DAYS,
      checkSeconds: config.RETENTION_CHECK_SECONDS,
    },
    "rejected-messages": {
      ...documents,
      rejectedMessagesMax: config.REJECTED_MESSAGES_MAX,
      rejectedMessagesPerDeviceMax: config.REJECTED_MESSAGES_PER_DEVICE_MAX,
    },
    "mqtt-bridge": {
      ...tls,
      requiredCapabilities: config.MQTT_REQUIRE,
      mqttTlsPort: config.MQTT_TLS_PORT,
      mqttWssPort: config.MQTT_WSS_PORT,
      sessionsFile: join(config.DATA_DIR, "sessions.db"),
      synchronous: config.SQLITE_SYNCHRONOUS,
      host: config.HOST,
      mqttPort: config.MQTT_PORT,
      mqttWsPort: config.MQTT_WS_PORT,
      maxPacketBytes: config.MQTT_PACKET_BYTES_MAX,
      maxConnections: config.MQTT_CONNECTIONS_MAX,
      maxConnectionsPerDevice: config.MQTT_CONNECTIONS_PER_DEVICE_MAX,
      maxKeepAliveSeconds: config.MQTT_KEEP_ALIVE_SECONDS_MAX,
      maxSessionSeconds: config.MQTT_SESSION_SECONDS_MAX,
      receiveMaximum: config.MQTT_RECEIVE_MAXIMUM,
      typeRefreshSeconds: config.DEVICE_TYPE_REFRESH_SECONDS,
      maxMessagesPerSecond: config.MQTT_MESSAGES_PER_SECOND_MAX,
      maxControlPacketsPerSecond: config.MQTT_CONTROL_PACKETS_PER_SECOND_MAX,
      maxTopicBytes: config.MQTT_TOPIC_BYTES_MAX,
      maxTopicLevels: config.MQTT_TOPIC_LEVELS_MAX,
      maxSubscriptions: config.MQTT_SUBSCRIPTIONS_MAX,
      maxParkedSessions: config.MQTT_SESSIONS_MAX,
      maxParkedSessionsPerDevice: config.MQTT_SESSIONS_PER_DEVICE_MAX,
      maxInFlight: config.MQTT_IN_FLIGHT_MAX,
      maxQueuedPerSession: config.MQTT_QUEUED_MESSAGES_MAX,
      maxRetained: config.MQTT_RETAINED_MESSAGES_MAX,
      maxRetainedBytes: config.MQTT_RETAINED_BYTES_MAX,
      seenIntervalMs: config.MQTT_SEEN_SECONDS * 1000,
      ...externalBroker(config),
    },
  };
};

/** How the gateway judges access tokens. */
function authSettings(config: Config) {
  const { JWKS_URL: jwksUrl, TRANSPORTER: transporter } = config;
  const issuer = issuerOf(config);
  const replay = config.DPOP_REPLAY ?? (transporter === undefined ? "memory" : "documents");
  // Short-lived, and nothing that a power loss may not take: not among the documents.
  const file = join(config.DATA_DIR, "proofs.db");
  const proofs = { file, synchronous: "NORMAL", mongo: mongoSettings(config).mongo };
  return {
    issuer,
    audience: config.AUDIENCE ?? `${issuer}/v1`,
    ...(jwksUrl === undefined ? {} : { jwksUrl }),
    origins: config.PUBLIC_ORIGINS ?? [new URL(issuer).origin],
    jwksRefreshSeconds: config.JWKS_REFRESH_SECONDS,
    jwksCooldownSeconds: config.JWKS_COOLDOWN_SECONDS,
    revocationsRefreshSeconds: config.REVOCATIONS_REFRESH_SECONDS,
    tokenBytesMax: config.TOKEN_BYTES_MAX,
    tokenCacheSeconds: config.TOKEN_CACHE_SECONDS,
    tokenCacheMax: config.TOKEN_CACHE_MAX,
    proofSeconds: config.DPOP_PROOF_SECONDS,
    skewSeconds: config.DPOP_SKEW_SECONDS,
    proofBytesMax: config.DPOP_PROOF_BYTES_MAX,
    proofsMax: config.DPOP_PROOFS_MAX,
    proofKeysMax: config.DPOP_KEYS_MAX,
    nonceRequired: config.DPOP_NONCE_REQUIRED,
    ...(replay === "documents" ? { proofs } : {}),
  };
}

/** Its URL holds a password. */
function externalBroker(config: Config): Record<string, unknown> {
  const { MQTT_URL: url, MQTT_PASSWORD_FILE: passwordFile, MQTT_ACL_FILE: aclFile, MQTT_PID_FILE: pidFile } = config;
  if (url === undefined) return {};
  const { MQTT_AUTH_PORT: port, MQTT_AUTH_HOST: host = config.HOST, MQTT_AUTH_SECRET: secret } = config;
  const bridge = ["bridge", config.NAMESPACE, nodeIdOf(config)].filter((name) => name !== undefined).join("-");
  return {
    external: {
      ...{ url, bridge },
      arrivalsFile: join(config.DATA_DIR, `${bridge}.db`),
      toldFile: join(config.DATA_DIR, `${bridge}.json`),
      ...(passwordFile === undefined ? {} : { passwordFile, aclFile, pidFile }),
      queue: config.NAMESPACE === undefined ? "mqtt.uplink" : `${config.NAMESPACE}.mqtt.uplink`,
      ...(port === undefined ? {} : { authentication: { host, port, ...(secret === undefined ? {} : { secret }) } }),
      filesRefreshMs: config.MQTT_FILES_SECONDS * 1000,
    },
  };
}

/** MongoDB's URL holds a password: what is named as secure is not told to other nodes. */
function mongoSettings(config: Config): { mongo?: MongoSettings; $secureSettings?: string[] } {
  const { MONGO_URL: url } = config;
  if (url === undefined) return {};
  const timeoutMs = config.MONGO_TIMEOUT_SECONDS * 1000;
  const selectionMs = config.MONGO_SELECTION_SECONDS * 1000;
  return { mongo: { url, timeoutMs, selectionMs, poolMax: config.MONGO_POOL_MAX }, $secureSettings: ["mongo"] };
}

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
