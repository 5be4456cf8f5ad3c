import { join } from "node:path";
import type { BrokerOptions, Middleware } from "moleculer";
import { channelMiddlewares } from "./channels/middlewares.ts";
import { SqliteFactsAdapter } from "./channels/sqlite-facts.ts";
import { SqliteWorkAdapter } from "./channels/sqlite-work.ts";
import { sharedEngines } from "./cluster/engines.ts";
import { nodeMiddleware } from "./cluster/node-middleware.ts";
import { remoteStreams } from "./cluster/streams.ts";
import { transporterHealth, transporterOptions } from "./cluster/transporter.ts";
import type { Config } from "./config.ts";
import { health } from "./health.ts";
import { logFormatOf, StructuredLogger } from "./log/logger.ts";
import { opening } from "./opening.ts";
import { serviceInfo } from "./service-info.ts";
import { settingsMiddleware } from "./service-settings.ts";

/**
 * The broker of one process: which engine stands behind which port is decided here and nowhere else.
 *
 * @param more middlewares that are loaded only where they are wanted; behind the channels, before the outside is let in.
 */
export function brokerOptions(config: Config, more: readonly Middleware[] = []): BrokerOptions {
  const facts = new SqliteFactsAdapter({
    file: join(config.DATA_DIR, "facts.db"),
    synchronous: config.SQLITE_SYNCHRONOUS,
    pendingMax: config.CHANNEL_PENDING_MAX,
    retentionMs: config.CHANNEL_RETENTION_HOURS * 3_600_000,
  });
  const work = new SqliteWorkAdapter({
    file: join(config.DATA_DIR, "work.db"),
    synchronous: config.SQLITE_SYNCHRONOUS,
    pendingMax: config.CHANNEL_PENDING_MAX,
    depthMax: config.WORK_DEPTH_MAX,
    ...(config.WORK_TTL_SECONDS === 0 ? {} : { ttlMs: config.WORK_TTL_SECONDS * 1000 }),
    leaseMs: config.WORK_LEASE_SECONDS * 1000,
    maxRetries: config.WORK_DELIVERIES_MAX - 1,
    maxInFlight: config.WORK_CONCURRENCY,
    retryMs: config.WORK_RETRY_SECONDS * 1000,
    retryMaxMs: config.WORK_RETRY_SECONDS_MAX * 1000,
  });
  const { transporter, ...cluster } = transporterOptions(config);
  const others = transporter && { engines: sharedEngines(config), startedAt: Date.now() };
  return {
    ...cluster,
    ...(transporter ? { transporter, metadata: others } : {}),
    logger: new StructuredLogger({ level: config.LOG_LEVEL, format: logFormatOf(config) }),
    // Parameters are parsed by defineService.
    validator: false,
    // Dependencies are looked for this often; Moleculer's second would be most of the time to start.
    dependencyInterval: 10,
    metrics: { enabled: true, reporter: [] },
    middlewares: [
      health,
      ...(transporter && others ? [transporterHealth(transporter), remoteStreams, nodeMiddleware(others)] : []),
      settingsMiddleware(config),
      ...channelMiddlewares({ facts, work }),
      ...more,
      opening,
      serviceInfo,
    ],
  };
}
