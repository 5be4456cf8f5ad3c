import { join } from "node:path";
import { channels } from "../../schemas/channels.ts";
import type { Config } from "../config.ts";
import type { WorkAdapter } from "./base-adapter.ts";
import { RabbitmqWorkAdapter } from "./rabbitmq/rabbitmq-work.ts";
import { SqliteWorkAdapter } from "./sqlite-work.ts";

const declared: Record<string, { kind: string }> = channels;

/** The engine of the work channels: RabbitMQ where the configuration names it, else a file. */
export function workAdapter(config: Config): WorkAdapter {
  const options = {
    pendingMax: config.CHANNEL_PENDING_MAX,
    depthMax: config.WORK_DEPTH_MAX,
    ...(config.WORK_TTL_SECONDS === 0 ? {} : { ttlMs: config.WORK_TTL_SECONDS * 1000 }),
    leaseMs: config.WORK_LEASE_SECONDS * 1000,
    maxRetries: config.WORK_DELIVERIES_MAX - 1,
    maxInFlight: config.WORK_CONCURRENCY,
    retryMs: config.WORK_RETRY_SECONDS * 1000,
    retryMaxMs: config.WORK_RETRY_SECONDS_MAX * 1000,
  };
  if (config.RABBITMQ_URL === undefined)
    return new SqliteWorkAdapter({
      ...options,
      file: join(config.DATA_DIR, "work.db"),
      synchronous: config.SQLITE_SYNCHRONOUS,
    });
  return new RabbitmqWorkAdapter({
    ...options,
    url: config.RABBITMQ_URL,
    channels: Object.keys(declared).filter((name) => declared[name]?.kind === "work"),
  });
}
