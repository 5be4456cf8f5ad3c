import { basename } from "node:path";
import { after, before } from "node:test";
import { KafkaFactsAdapter } from "../../lib/channels/kafka/kafka-facts.ts";
import { factsChannelSuite } from "../ports/facts-channel/suite.ts";
import { startKafka } from "../support/engines/kafka.ts";
import type { Engine } from "../support/engines/process.ts";

let kafka: Engine;
before(async () => {
  kafka = await startKafka();
  console.log(kafka.version);
});
after(() => kafka.dispose());

factsChannelSuite({
  name: "Kafka",
  order: "key",
  create: (dir, options) =>
    new KafkaFactsAdapter({
      ...options,
      where: { brokers: [`127.0.0.1:${kafka.port}`] },
      // What the folder is to a file: topics and groups of its own.
      prefix: basename(dir),
      partitions: 3,
    }),
});
