import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

const root = new URL("../../../", import.meta.url).href;

/** Names the files of kafkajs that a process with these variables has loaded. */
const loaded = (variables: Record<string, string>): string[] => {
  const program = `
    import { createRequire } from "node:module";
    const { brokerOptions } = await import("${root}lib/broker-options.ts");
    const { readConfig } = await import("${root}lib/config.ts");
    const { factsAdapter } = await import("${root}lib/channels/facts-adapter.ts");
    const config = readConfig(${JSON.stringify(variables)});
    brokerOptions(config);
    console.log(JSON.stringify([
      factsAdapter(config).constructor.name,
      ...Object.keys(createRequire("${root}x.ts").cache).filter((file) => file.includes("/kafkajs/")),
    ]));`;
  const arguments_ = ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", program];
  return JSON.parse(execFileSync(process.execPath, arguments_, { encoding: "utf8" })) as string[];
};

test("KAFKA_BROKERS alone chooses Kafka for the facts channels, and its client is loaded when it connects only", () => {
  assert.deepEqual(loaded({}), ["SqliteFactsAdapter"]);
  assert.deepEqual(loaded({ KAFKA_BROKERS: "127.0.0.1:9092" }), ["KafkaFactsAdapter"]);
});
