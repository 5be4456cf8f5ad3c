import { join } from "node:path";
import type { Config } from "../config.ts";
import type { FactsAdapter } from "./base-adapter.ts";
import { KafkaFactsAdapter } from "./kafka/kafka-facts.ts";
import { SqliteFactsAdapter } from "./sqlite-facts.ts";

/** The engine of the facts channels: Kafka where it is named, else a file. The Kafka client is loaded when it connects. */
export function factsAdapter(config: Config): FactsAdapter {
  const common = {
    pendingMax: config.CHANNEL_PENDING_MAX,
    retentionMs: config.CHANNEL_RETENTION_HOURS * 3_600_000,
  };
  if (config.KAFKA_BROKERS)
    return new KafkaFactsAdapter({
      ...common,
      where: config.KAFKA_BROKERS,
      partitions: config.KAFKA_PARTITIONS,
      replicas: config.KAFKA_REPLICAS === 0 ? -1 : config.KAFKA_REPLICAS,
    });
  return new SqliteFactsAdapter({
    ...common,
    file: join(config.DATA_DIR, "facts.db"),
    synchronous: config.SQLITE_SYNCHRONOUS,
  });
}
