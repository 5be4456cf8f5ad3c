import { setTimeout as sleep } from "node:timers/promises";
import { PROCESSES } from "../support/cluster.ts";
import type { ClusterOnEngines } from "./cluster-on-engines.ts";

/** What is killed under load, and comes back where it was. */
export interface Victim {
  name: string;
  /** Lengths of its outages, without those of `-- --full`. */
  seconds: readonly number[];
  /** Whether every process has to stop without it. */
  engine?: boolean;
  /** Whether its death leaves messages of the devices unacknowledged, which they have to send again. */
  breaksConnections?: boolean;
  /** SIGKILL; resolves when it is gone. */
  kill(on: ClusterOnEngines): Promise<void>;
  /** Resolves when it is there again. */
  start(on: ClusterOnEngines): Promise<void>;
}

/** Held for a moment before it is killed, so that something is on its way to it, every time. */
const HELD_MS = 300;

export const rabbitMq: Victim = {
  name: "RabbitMQ",
  seconds: [3, 15],
  engine: true,
  async kill({ rabbitmq }) {
    rabbitmq.freeze();
    await sleep(HELD_MS);
    await rabbitmq.kill();
  },
  start: ({ rabbitmq }) => rabbitmq.start(),
};

const processOf = (process: string): Victim => ({
  name: `process ${process}`,
  seconds: [3],
  breaksConnections: process === "mqtt-bridge",
  async kill({ cluster }) {
    const one = cluster.processes.get(process);
    if (!one) throw new Error(`there is no process ${process}`);
    // Not `kill`, which waits for the end.
    globalThis.process.kill(one.pid, "SIGSTOP");
    await sleep(HELD_MS);
    await one.kill("SIGKILL");
  },
  start: async ({ cluster }) => void (await cluster.start(process)),
});

/** One entry each; what is added here is killed by the suite, and nothing else has to know of it. */
export const VICTIMS: readonly Victim[] = [
  {
    ...{ name: "Kafka", seconds: [3, 15], engine: true },
    kill: ({ kafka }) => kafka.kill(),
    start: ({ kafka }) => kafka.start(),
  },
  rabbitMq,
  {
    ...{ name: "NATS", seconds: [3], engine: true },
    kill: ({ nats }) => nats.kill("SIGKILL"),
    start: ({ nats }) => nats.start(),
  },
  {
    ...{ name: "the Mongo-wire server", seconds: [3], engine: true },
    kill: ({ mongo }) => mongo.kill(),
    start: ({ mongo }) => mongo.start(),
  },
  ...Object.keys(PROCESSES).map(processOf),
  {
    ...{ name: "a process that works", seconds: [3] },
    kill: ({ work }) => work.killWorker(),
    start: ({ work }) => work.startWorker(),
  },
];
