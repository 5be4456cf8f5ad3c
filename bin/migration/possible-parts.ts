import { join } from "node:path";
import { sharedEngines } from "../../lib/cluster/engines.ts";
import type { Config } from "../../lib/config.ts";
import { documentsPart } from "../../lib/migrate/documents.ts";
import { factsPart } from "../../lib/migrate/facts.ts";
import type { PossiblePart } from "../../lib/migrate/source-folder.ts";
import { workPart } from "../../lib/migrate/work.ts";
import { serviceSettings } from "../../lib/service-settings.ts";
import { type ChannelKind, channels } from "../../schemas/channels.ts";
import { type NewestValuesOptions, newestValuesPart } from "../../services/telemetry/migration/newest-values.ts";
import { type ReadingsOptions, readingsPart } from "../../services/telemetry/migration/readings.ts";

/** What a data folder may have, each with the engine that takes it where its URL is set. In the order of the moves. */
export function possibleParts(config: Config): PossiblePart[] {
  return [...storeParts(config), factsOf(config), workOf(config)];
}

const declared = (kind: ChannelKind): string[] =>
  Object.entries<{ kind: ChannelKind }>(channels).flatMap(([name, channel]) => (channel.kind === kind ? [name] : []));

const channelFile = (config: Config, name: string) => ({
  file: join(config.DATA_DIR, name),
  namespace: config.NAMESPACE,
  synchronous: config.SQLITE_SYNCHRONOUS,
});

function storeParts(config: Config): PossiblePart[] {
  const { documentsFile } = serviceSettings(config)["dead-letters"] as { documentsFile: string };
  const stores = {
    // Its `mongo` is there where MONGO_URL is: without it no part is opened.
    ...(serviceSettings(config)["telemetry-latest"] as unknown as ReadingsOptions & NewestValuesOptions),
    target: String(sharedEngines(config)["document store"]),
  };
  const parts = [
    { file: documentsFile, open: () => documentsPart({ ...stores, documentsFile }) },
    { file: stores.readingsFile, open: () => readingsPart(stores) },
    { file: stores.latestFile, open: () => newestValuesPart(stores) },
  ];
  return config.MONGO_URL === undefined ? parts.map(({ file }) => ({ file, open: undefined })) : parts;
}

function factsOf(config: Config): PossiblePart {
  const { KAFKA_BROKERS: where, KAFKA_PARTITIONS: partitions, KAFKA_REPLICAS: replicas } = config;
  const common = channelFile(config, "facts.db");
  if (!where) return { file: common.file, open: undefined };
  const open = () =>
    factsPart({
      ...common,
      ...{ where, partitions, replicas: replicas === 0 ? -1 : replicas },
      ...{ retentionMs: config.CHANNEL_RETENTION_HOURS * 3_600_000, declared: declared("facts") },
      target: String(sharedEngines(config)["facts channel"]),
    });
  return { file: common.file, open };
}

function workOf(config: Config): PossiblePart {
  const { RABBITMQ_URL: url, WORK_DEPTH_MAX: depthMax } = config;
  const common = channelFile(config, "work.db");
  if (url === undefined) return { file: common.file, open: undefined };
  const target = String(sharedEngines(config)["work channel"]);
  return {
    file: common.file,
    open: () => workPart({ ...common, url, depthMax, target, declared: declared("work") }),
  };
}
