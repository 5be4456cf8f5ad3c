import { z } from "zod";
import { CAPABILITIES } from "../schemas/edge-capabilities.ts";
import { type KafkaBrokers, kafkaBrokers } from "./channels/kafka/kafka-brokers.ts";
import { NODE_ID, parseTransporter } from "./cluster/transporter-url.ts";
import { nearest } from "./edit-distance.ts";
import { textOf } from "./log/redaction.ts";

/** Decimal digits only: coercion would take " " for 0 and "0x50" for 80. */
const whole = (min: number, max: number) =>
  z.string().regex(/^\d+$/, "must be a whole number").transform(Number).pipe(z.number().min(min).max(max));
const count = (fallback: number, min: number, max: number) => whole(min, max).default(fallback);
const port = (fallback: number) => count(fallback, 0, 65_535);
const flag = z
  .enum(["0", "1", "false", "true"])
  .default("0")
  .transform((value) => value === "1" || value === "true");

const headerList = z
  .string()
  .max(8192)
  .regex(/^\s*[\w-]+=[^,]*(,\s*[\w-]+=[^,]*)*$/, "must be name=value,name=value")
  .transform((text) =>
    Object.fromEntries(
      text.split(",").map((pair) => {
        const [name = "", ...value] = pair.split("=");
        return [name.trim(), decodeURIComponent(value.join("=").trim())];
      }),
    ),
  );

const brokers = z
  .string()
  .max(4096)
  .transform((text, context): KafkaBrokers => {
    try {
      return kafkaBrokers(text);
    } catch (error) {
      context.addIssue((error as Error).message);
      return z.NEVER;
    }
  });

/** Variables that may hold a password: what is wrong with them is told without their value. */
const SECRET = /^(KAFKA_BROKERS|OAUTH_KEY|TRANSPORTER|OTEL_EXPORTER_OTLP_HEADERS|MQTT_AUTH_SECRET)$|_URL$/;

/** Whether user and password have no `%` that stands for nothing. */
const decodable = (url: string): boolean => {
  try {
    const { username, password } = new URL(url);
    return typeof decodeURIComponent(username + password) === "string";
  } catch {
    return false;
  }
};

const rabbitmqUrl = z
  .string()
  .max(4096)
  .regex(/^amqps?:\/\/[^/?#\s]+/, "must be amqp://… or amqps://…")
  .refine(URL.canParse, "is no URL");
const smtpUrl = z
  .string()
  .max(4096)
  .regex(/^smtps?:\/\/[^/?#\s]+/, "must be smtp://… or smtps://…")
  .refine(URL.canParse, "is no URL");

/** A broker with MQTT 5, or RabbitMQ with its plugin for MQTT, which is reached by AMQP. */
const mqttUrl = z
  .string()
  .max(4096)
  .regex(/^(mqtt|amqp)s?:\/\/[^/?#\s]+/, "must be mqtt(s)://… or amqp(s)://…")
  .refine((url) => URL.canParse(url) && decodable(url), "is no URL");
const capabilities = z
  .string()
  .max(4096)
  .transform((text) =>
    text
      .split(",")
      .map((name) => name.trim())
      .filter(Boolean),
  )
  .pipe(z.array(z.enum(CAPABILITIES)));
/** Kept as it was given: what it says is parsed again where it is used. */
const transporter = z
  .string()
  .max(4096)
  .superRefine((text, ctx) => {
    try {
      parseTransporter(text);
    } catch (error) {
      ctx.addIssue({ code: "custom", message: (error as Error).message });
    }
  });
const names = z
  .string()
  .max(4096)
  .transform((text) =>
    text
      .split(",")
      .map((name) => name.trim())
      .filter(Boolean),
  );

const origins = names.refine(
  (list) => list.length > 0 && list.every((one) => URL.canParse(one) && new URL(one).origin === one),
  "must be http(s)://host[:port],…",
);
/** Compared with `iss` as it is (RFC 8414 §3.3). */
const issuer = z
  .string()
  .max(1024)
  .regex(/^https?:\/\/[^?#\s]*[^/?#\s]$/, "must be http(s)://… without a / at its end");

const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/;

/** Every variable the platform reads, with its limits and default. An empty environment is a complete one. */
const Variables = z.object({
  /** Address that HTTP and MQTT listen on; other than loopback only with INSECURE_LISTEN. */
  HOST: z.string().min(1).max(255).default("127.0.0.1"),
  /** Listen beyond loopback although REST asks for no credential, AUTH being off. Warned of at every start. */
  INSECURE_LISTEN: flag,
  HTTP_PORT: port(3000),
  MQTT_PORT: port(1883),
  MQTT_WS_PORT: port(8083),
  /** PEM files, both or none: with them there is TLS as well, for MQTT, WebSocket and HTTP. */
  TLS_CERT_FILE: z.string().min(1).max(4096).optional(),
  TLS_KEY_FILE: z.string().min(1).max(4096).optional(),
  HTTPS_PORT: port(3443),
  MQTT_TLS_PORT: port(8883),
  MQTT_WSS_PORT: port(8084),
  /** Whether REST asks for an access token; without it REST is for this machine only. */
  AUTH: z.enum(["off", "required"]).default("off"),
  /** Who issues access tokens. */
  ISSUER: issuer.optional(),
  /** What access tokens for this platform name as `aud`. @default ISSUER/v1 */
  AUDIENCE: z.string().min(1).max(1024).optional(),
  /** Keys of an issuer elsewhere; left out: the platform's own issuer is asked. */
  JWKS_URL: z.url({ protocol: /^https?$/ }).optional(),
  /** Origins by which callers reach REST, which DPoP proofs name. @default that of ISSUER */
  PUBLIC_ORIGINS: origins.optional(),
  JWKS_REFRESH_SECONDS: count(300, 1, 86_400),
  /** Pause between two looks for a key that is not known. */
  JWKS_COOLDOWN_SECONDS: count(10, 1, 3600),
  /** How often the list of revoked tokens is asked for, beside the events that tell of them. */
  REVOCATIONS_REFRESH_SECONDS: count(30, 1, 3600),
  TOKEN_BYTES_MAX: count(8192, 512, 16_384),
  /** Verified access tokens that are remembered, and for how long at most. */
  TOKEN_CACHE_MAX: count(50_000, 1, 10_000_000),
  TOKEN_CACHE_SECONDS: count(30, 0, 300),
  /** DPoP proofs must have a nonce of the server. */
  DPOP_NONCE_REQUIRED: flag,
  /** How old a DPoP proof or its nonce may be, and how far ahead a caller's clock. */
  DPOP_PROOF_SECONDS: count(60, 5, 600),
  DPOP_SKEW_SECONDS: count(5, 0, 60),
  DPOP_PROOF_BYTES_MAX: count(4096, 512, 16_384),
  /** Proofs that one gateway remembers, so that each is good once; above it 429. */
  DPOP_PROOFS_MAX: count(500_000, 100, 100_000_000),
  /** Headers of proofs, with their public keys, that are remembered. */
  DPOP_KEYS_MAX: count(50_000, 1, 10_000_000),
  /** Where accepted proofs are: in each gateway's memory, or shared. @default shared with TRANSPORTER */
  DPOP_REPLAY: z.enum(["memory", "documents"]).optional(),
  /** Folder of the embedded engines' files. */
  DATA_DIR: z.string().min(1).max(4096).default("./data"),
  /** Documents, readings and newest values in MongoDB instead of files. */
  MONGO_URL: z
    .string()
    .max(8192)
    .regex(/^mongodb(\+srv)?:\/\/[^/?]+/, "must be mongodb://… or mongodb+srv://…")
    .optional(),
  /** Longest time of one operation on MongoDB; one that takes longer has failed. */
  MONGO_TIMEOUT_SECONDS: count(10, 1, 600),
  /** How long an operation waits for a server that takes it; an election has to fit in. */
  MONGO_SELECTION_SECONDS: count(5, 1, 600),
  /** Connections to MongoDB of one process. */
  MONGO_POOL_MAX: count(20, 1, 1000),
  /** How the processes of one platform reach each other; without it one process is all of it. */
  TRANSPORTER: transporter.optional(),
  TRANSPORTER_CA_FILE: z.string().min(1).max(4096).optional(),
  TRANSPORTER_CERT_FILE: z.string().min(1).max(4096).optional(),
  TRANSPORTER_KEY_FILE: z.string().min(1).max(4096).optional(),
  /** Bytes of one message between processes over TCP; NATS has the server's own limit. */
  TRANSPORTER_PACKET_BYTES_MAX: count(16_777_216, 65_536, 268_435_456),
  /** Seconds without a sign of life after which a process counts as gone (NATS). */
  NODE_TIMEOUT_SECONDS: count(5, 2, 300),
  /** Seconds that a service waits for another one's answer. */
  CALL_SECONDS_MAX: count(20, 1, 3600),
  /** Keeps platforms apart that share a transporter. */
  NAMESPACE: z
    .string()
    .regex(/^[\w-]{1,64}$/, "must have letters, digits, _ and - only")
    .optional(),
  /** Name of this process among the platform's. @default the machine's name */
  NODE_ID: z.string().regex(NODE_ID, "must have letters, digits, _, - and . only").optional(),
  /** The services of this process, by folder or file below services/; all of them where not given. */
  SERVICES: names.optional(),
  /** FULL survives power loss; NORMAL the death of the process only. */
  SQLITE_SYNCHRONOUS: z.enum(["FULL", "NORMAL"]).default("FULL"),
  LOG_LEVEL: z.enum(["fatal", "error", "warn", "info", "debug", "trace"]).default("info"),
  /** Form of the log on standard error. @default text at a terminal, else json */
  LOG_FORMAT: z.enum(["json", "text"]).optional(),
  /** Seconds that a stop may take until the process ends all the same. */
  STOP_TIMEOUT_SECONDS: count(5, 1, 300),

  /** Base of a collector's OTLP/HTTP; without it nothing is traced, and nothing of tracing is loaded. */
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  /** Sent along with each export, `name=value,…`, as OpenTelemetry writes it. */
  OTEL_EXPORTER_OTLP_HEADERS: headerList.optional(),
  OTEL_SERVICE_NAME: z.string().min(1).max(255).default("ganglion"),
  /** Share of the traces begun here that are recorded; a caller's own decision is followed. */
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(0.01),

  /** 32 bytes, base64url, that seal the keys and secrets of the authorization server; without it a file in DATA_DIR. */
  OAUTH_KEY: z
    .string()
    .regex(/^[A-Za-z0-9_-]{43}$/, "must be 32 bytes as 43 characters of base64url")
    .optional(),
  ACCESS_TOKEN_SECONDS: count(600, 30, 86_400),
  REFRESH_TOKEN_DAYS: count(14, 1, 3650),
  /** Days that a browser stays signed in. */
  LOGIN_DAYS: count(14, 1, 365),
  /** Seconds in which a refresh whose answer was lost is answered again. */
  REFRESH_GRACE_SECONDS: count(30, 0, 600),
  AUTHORIZATION_CODE_SECONDS: count(60, 10, 600),
  DEVICE_CODE_SECONDS: count(600, 60, 3600),
  /** Seconds between two polls of a device that waits for its user. */
  DEVICE_POLL_SECONDS: count(5, 1, 60),
  /** Days that a signing key signs. */
  SIGNING_KEY_DAYS: count(90, 1, 3650),
  /** Seconds that the next signing key is published before it signs. */
  SIGNING_KEY_PUBLISHED_SECONDS: count(3600, 1, 604_800),

  HTTP_BODY_BYTES_MAX: count(1_048_576, 1024, 104_857_600),
  HTTP_CONNECTIONS_MAX: count(1000, 1, 100_000),
  /** Seconds from a request's first byte to its last. */
  HTTP_REQUEST_SECONDS_MAX: count(30, 1, 3600),
  HTTP_KEEP_ALIVE_SECONDS: count(65, 1, 3600),
  /** Requests of one address in one window; above it 429. */
  HTTP_RATE_LIMIT: count(1000, 1, 1_000_000),
  HTTP_RATE_WINDOW_SECONDS: count(10, 1, 3600),

  MQTT_PACKET_BYTES_MAX: count(262_144, 1024, 268_435_455),
  MQTT_CONNECTIONS_MAX: count(10_000, 1, 1_000_000),
  /** Connections of one device at once, each with its own client id; 0 = no limit. */
  MQTT_CONNECTIONS_PER_DEVICE_MAX: count(10, 0, 1_000_000),
  MQTT_KEEP_ALIVE_SECONDS_MAX: count(300, 5, 65_535),
  MQTT_SESSION_SECONDS_MAX: count(604_800, 0, 31_536_000),
  MQTT_RECEIVE_MAXIMUM: count(1000, 1, 65_535),
  /** PUBLISH packets per second and device, all its connections together; 0 = no limit. */
  MQTT_MESSAGES_PER_SECOND_MAX: count(0, 0, 1_000_000),
  /** CONNECT, SUBSCRIBE, UNSUBSCRIBE, PINGREQ and refused PUBLISH packets per second and device; 0 = no limit. */
  MQTT_CONTROL_PACKETS_PER_SECOND_MAX: count(100, 0, 1_000_000),
  MQTT_TOPIC_BYTES_MAX: count(512, 32, 65_535),
  MQTT_TOPIC_LEVELS_MAX: count(16, 4, 100),
  MQTT_SUBSCRIPTIONS_MAX: count(100, 1, 10_000),
  /** Sessions that wait for their client; beyond it the one that has waited longest ends. */
  MQTT_SESSIONS_MAX: count(100_000, 1, 10_000_000),
  /** Of one device; beyond it its own oldest ends, 0 = no limit. */
  MQTT_SESSIONS_PER_DEVICE_MAX: count(10, 0, 10_000_000),
  /** Messages sent to a client and not acknowledged, where it sets no lower Receive Maximum. */
  MQTT_IN_FLIGHT_MAX: count(100, 1, 65_535),
  /** Messages that wait for one client; beyond it the oldest that was not sent goes. */
  MQTT_QUEUED_MESSAGES_MAX: count(1000, 1, 1_000_000),
  MQTT_RETAINED_MESSAGES_MAX: count(100_000, 0, 10_000_000),
  MQTT_RETAINED_BYTES_MAX: count(67_108_864, 0, 10_737_418_240),
  /** How often the devices that were heard of are told to the registry. */
  MQTT_SEEN_SECONDS: count(30, 1, 3600),
  /** The broker that devices connect to, in the place of the platform's own: `mqtt(s)://user:password@host`, `amqp(s)://…`. */
  MQTT_URL: mqttUrl.optional(),
  /** What the edge must be able to do: names of capabilities. The platform does not start where one is missing. */
  MQTT_REQUIRE: capabilities.default([]),
  /** The broker's password and ACL file, written by the platform; both or none. */
  MQTT_PASSWORD_FILE: z.string().min(1).max(4096).optional(),
  MQTT_ACL_FILE: z.string().min(1).max(4096).optional(),
  /** Where the broker writes its pid; it is told by SIGHUP that the files are new. */
  MQTT_PID_FILE: z.string().min(1).max(4096).optional(),
  /** Where a broker may ask by HTTP who may connect; 0 = a free port, not set = nowhere. */
  MQTT_AUTH_PORT: whole(0, 65_535).optional(),
  /** @default HOST */
  MQTT_AUTH_HOST: z.string().min(1).max(255).optional(),
  /** First part of the paths at which it asks; not needed on loopback. */
  MQTT_AUTH_SECRET: z
    .string()
    .regex(/^[\w-]{16,128}$/, "must be 16 to 128 letters, digits, _ and -")
    .optional(),
  /** How often these files are held against the registry, told of a change or not. */
  MQTT_FILES_SECONDS: count(60, 1, 86_400),

  /** Messages that may wait for a commit of the channel; above it an edge answers "quota exceeded". */
  CHANNEL_PENDING_MAX: count(20_000, 100, 1_000_000),
  /** Messages that a consumer takes in one call and commits at once. */
  CONSUMER_BATCH_MAX: count(500, 1, 10_000),
  /** Hours that a channel keeps messages that every group has read. */
  CHANNEL_RETENTION_HOURS: count(168, 1, 87_600),
  /** Kafka in the place of the embedded facts channel: `host:port,…` or `kafka://user:password@host:port,…?tls=true`. */
  KAFKA_BROKERS: brokers.optional(),
  /** Partitions of a topic that is created; they bound how many processes share a group's work. */
  KAFKA_PARTITIONS: count(6, 1, 1000),
  /** Replicas of a topic that is created; 0 = the cluster's default. */
  KAFKA_REPLICAS: count(0, 0, 10),
  /** RabbitMQ in the place of the embedded work channel: `amqp(s)://user:password@host:port/vhost`. */
  RABBITMQ_URL: rabbitmqUrl.optional(),
  /** Items that a work channel, or its dead letters, hold at most; above it publishing is refused with 429. */
  WORK_DEPTH_MAX: count(100_000, 1, 100_000_000),
  /** Seconds that an item may wait for its delivery where its publisher sets no limit; 0 = for ever. */
  WORK_TTL_SECONDS: count(604_800, 0, 315_360_000),
  /** Seconds after which an item whose process hangs goes to another taker. */
  WORK_LEASE_SECONDS: count(30, 1, 3600),
  /** Deliveries of one item, the first included, until it is put aside. */
  WORK_DELIVERIES_MAX: count(10, 1, 1000),
  /** Items that one consumer works on at once. */
  WORK_CONCURRENCY: count(10, 1, 10_000),
  /** Seconds before the second delivery; they double with each, up to the longest. */
  WORK_RETRY_SECONDS: count(1, 1, 3600),
  WORK_RETRY_SECONDS_MAX: count(60, 1, 86_400),
  /** Rejected messages kept per tenant; the oldest go first. */
  REJECTED_MESSAGES_MAX: count(10_000, 1, 10_000_000),
  REJECTED_MESSAGES_PER_DEVICE_MAX: count(1000, 1, 10_000_000),
  /** Metrics that one device may have. */
  METRICS_PER_DEVICE_MAX: count(1000, 1, 10_000),
  /** Hours in which a reading without a time of its own, sent again under its id, is the same; 0 = it is another. */
  READING_NAME_HOURS: count(24, 0, 720),
  /** Days that readings are kept where neither device type nor tenant says; 0 = for ever. */
  RETENTION_DAYS: count(0, 0, 36_525),
  /** Seconds between two looks for readings that are older than they have to be kept. */
  RETENTION_CHECK_SECONDS: count(3600, 1, 86_400),

  /** Failed logins for one account from one address, for one account, and from one address, in the window. */
  LOGIN_FAILURES_MAX: count(10, 1, 1_000_000),
  LOGIN_FAILURES_PER_ACCOUNT_MAX: count(100, 1, 1_000_000),
  LOGIN_FAILURES_PER_ADDRESS_MAX: count(100, 1, 1_000_000),
  LOGIN_WINDOW_SECONDS: count(900, 1, 86_400),
  INVITATION_DAYS: count(7, 1, 365),
  PASSWORD_RESET_SECONDS: count(3600, 60, 86_400),
  SMTP_URL: smtpUrl.optional(),
  MAIL_FROM: z.string().min(3).max(320).default("Ganglion <ganglion@localhost>"),
  SMTP_TIMEOUT_SECONDS: count(10, 1, 300),

  /** Lines and bytes of one batch of registrations. */
  DEVICE_BATCH_LINES_MAX: count(10_000, 1, 1_000_000),
  DEVICE_BATCH_BYTES_MAX: count(16_777_216, 1024, 268_435_456),
  DEVICE_CONFIG_BYTES_MAX: count(65_536, 2, 1_048_576),
  TELEMETRY_SCHEMA_BYTES_MAX: count(65_536, 2, 1_048_576),
  /** Devices that one request for a list looks at. */
  DEVICES_EXAMINED_MAX: count(20_000, 1000, 10_000_000),
  /** Seconds beyond 1.5 keep-alives after which a silent connection counts as lost. */
  CONNECTION_GRACE_SECONDS: count(60, 1, 3600),
  /** Seconds after which an edge asks again for a device type, changed or not. */
  DEVICE_TYPE_REFRESH_SECONDS: count(60, 1, 3600),
});

export type Config = Readonly<z.output<typeof Variables>>;

/**
 * Reads the environment once, at start-up.
 *
 * @throws ConfigError naming every wrong variable, and every unknown one that is one edit away from a known one.
 */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const known = Object.keys(Variables.shape);
  // An empty value means "not set", as in a compose file's `${NAME:-}`.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ""));
  const parsed = Variables.safeParse(given);
  const problems = parsed.success
    ? []
    : parsed.error.issues.map(
        ({ path: [name], message }) =>
          `${String(name)}: ${message}${SECRET.test(String(name)) ? "" : ` (is ${JSON.stringify(textOf(given[String(name)] ?? ""))})`}`,
      );
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    const meant = nearest(name, known);
    if (meant) problems.push(`${name}: unknown, did you mean ${meant}?`);
  }
  const { HOST: host = "127.0.0.1", INSECURE_LISTEN: insecure, AUTH: auth } = given;
  if (!LOOPBACK.test(host) && auth !== "required" && !flag.safeParse(insecure).data)
    problems.push(
      `HOST: ${host} is not loopback, and REST asks for no credential; AUTH=required makes it ask, INSECURE_LISTEN=1 allows it`,
    );
  if ((given["TLS_CERT_FILE"] === undefined) !== (given["TLS_KEY_FILE"] === undefined))
    problems.push("TLS_CERT_FILE, TLS_KEY_FILE: one without the other");
  for (const name of ["SERVICES", "NODE_ID"])
    if (given[name] !== undefined && given["TRANSPORTER"] === undefined)
      problems.push(`${name}: only with TRANSPORTER; without it one process is the whole platform`);
  problems.push(...mqttProblems(given));
  if ((given["TRANSPORTER_CERT_FILE"] === undefined) !== (given["TRANSPORTER_KEY_FILE"] === undefined))
    problems.push("TRANSPORTER_CERT_FILE, TRANSPORTER_KEY_FILE: one without the other");
  if (problems.length > 0 || !parsed.success) throw new ConfigError(problems);
  return Object.freeze(parsed.data);
}

/** What of an external MQTT broker does not go together. */
function mqttProblems(given: NodeJS.ProcessEnv): string[] {
  const { MQTT_URL: url, MQTT_PASSWORD_FILE: passwords, MQTT_ACL_FILE: rules, MQTT_PID_FILE: pid } = given;
  const problems: string[] = [];
  const files = [passwords, rules, pid].some((file) => file !== undefined);
  if ((passwords === undefined) !== (rules === undefined))
    problems.push("MQTT_PASSWORD_FILE, MQTT_ACL_FILE: one without the other");
  else if (pid !== undefined && passwords === undefined) problems.push("MQTT_PID_FILE: only with MQTT_PASSWORD_FILE");
  if (files && !/^mqtts?:/.test(url ?? ""))
    problems.push("MQTT_PASSWORD_FILE, MQTT_ACL_FILE, MQTT_PID_FILE: only with an MQTT_URL of mqtt(s)://…");
  else if (files && decodable(url ?? "") && !/^[^:\n\r]+$/.test(decodeURIComponent(new URL(url ?? "").username)))
    problems.push("MQTT_URL: must name a user, without a colon in it, with MQTT_PASSWORD_FILE");
  const { HOST = "127.0.0.1", MQTT_AUTH_PORT: port, MQTT_AUTH_HOST: host, MQTT_AUTH_SECRET: secret } = given;
  if (port === undefined && (host !== undefined || secret !== undefined))
    problems.push("MQTT_AUTH_HOST, MQTT_AUTH_SECRET: only with MQTT_AUTH_PORT");
  if (port !== undefined && url === undefined) problems.push("MQTT_AUTH_PORT: only with MQTT_URL");
  if (port !== undefined && secret === undefined && !LOOPBACK.test(host ?? HOST))
    problems.push(`MQTT_AUTH_PORT: ${host ?? HOST} is not loopback: MQTT_AUTH_SECRET has to be set`);
  return problems;
}

/** The environment is wrong; the message has one line per variable. */
export class ConfigError extends Error {
  override name = "ConfigError";

  constructor(problems: string[]) {
    super(`invalid environment: ${problems.join("; ")}`);
  }
}
