import { readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { resolve } from "node:path";
import type { Config } from "../config.ts";

/** Which engine stands behind each port that several processes share, as a process tells the others. */
export type Engines = Readonly<Record<string, string>>;

/** An embedded engine is the folder that its file is in; a server is its hosts, without user and password. */
export function sharedEngines(
  config: Pick<Config, "DATA_DIR" | "KAFKA_BROKERS" | "RABBITMQ_URL" | "MONGO_URL" | "MQTT_URL" | "NAMESPACE">,
): Engines {
  const { DATA_DIR, KAFKA_BROKERS, RABBITMQ_URL, MONGO_URL, MQTT_URL } = config;
  const embedded = `the embedded one in ${resolve(DATA_DIR)} (${identityOf(DATA_DIR)})`;
  const documents = MONGO_URL === undefined ? embedded : `MongoDB at ${placeOf(MONGO_URL)}`;
  return {
    "facts channel": KAFKA_BROKERS ? `Kafka at ${KAFKA_BROKERS.brokers.toSorted().join(",")}` : embedded,
    "work channel": RABBITMQ_URL === undefined ? embedded : `RabbitMQ at ${placeOf(RABBITMQ_URL)}`,
    "document store": documents,
    "reading store": documents,
    // Of those only that have an MQTT edge on a broker.
    ...(MQTT_URL === undefined ? {} : { "MQTT broker": placeOf(MQTT_URL) }),
  };
}

/** Hosts and path of a URL, which may name several hosts. */
const placeOf = (url: string) =>
  url
    .replace(/^[^:]+:\/\//, "")
    .replace(/^[^@/]*@/, "")
    .replace(/\?.*$/, "");

/** Tells folders apart, on this machine and others; containers of one machine see the same. */
function identityOf(directory: string): string {
  const { dev, ino } = statSync(directory, { bigint: true });
  return `${machine()}/${dev}/${ino}`;
}

function machine(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return hostname();
  }
}

/** What keeps two processes from being one platform: an engine that is not the same; undefined where nothing does. */
export function conflictOf(mine: Engines, theirs: Engines): string | undefined {
  const different = Object.keys(mine).find((port) => theirs[port] !== undefined && theirs[port] !== mine[port]);
  return different === undefined
    ? undefined
    : `its ${different} is ${mine[different]}, the other's is ${theirs[different]}`;
}
