import assert from "node:assert/strict";
import { test } from "node:test";
import { kafkaBrokers } from "../../../lib/channels/kafka/kafka-brokers.ts";
import { readConfig } from "../../../lib/config.ts";

for (const [text, expected] of [
  ["a:9092,b:9093", { brokers: ["a:9092", "b:9093"] }],
  ["kafka.example.org", { brokers: ["kafka.example.org:9092"] }],
  ["kafka://10.0.0.1,[::1]:19092", { brokers: ["10.0.0.1:9092", "[::1]:19092"] }],
  ["kafkas://a:9093", { brokers: ["a:9093"], tls: {} }],
  ["kafka://a:9093/?tls=true&ca=/etc/ca.pem", { brokers: ["a:9093"], tls: { caFile: "/etc/ca.pem" } }],
  [
    "kafka://al%40ice:p%2Fw%3A@a:1,b:2?mechanism=scram-sha-512&tls=true&cert=/c&key=/k",
    {
      brokers: ["a:1", "b:2"],
      tls: { certFile: "/c", keyFile: "/k" },
      sasl: { mechanism: "scram-sha-512", username: "al@ice", password: "p/w:" },
    },
  ],
  ["kafka://u:p@a:1", { brokers: ["a:1"], sasl: { mechanism: "plain", username: "u", password: "p" } }],
] as const)
  test(`${text} is understood`, () => assert.deepEqual(kafkaBrokers(text), expected));

for (const [text, wrong] of [
  ["http://a:9092", /must be host:port/],
  ["a:99999", /each broker/],
  ["a,,b", /each broker/],
  ["a b:1", /each broker/],
  ["kafka://u:p@a:1?mechanism=md5", /mechanism must be one of plain/],
  ["kafka://a:1?tls=yes", /tls must be true or false/],
  ["kafka://a:1?ca=/f", /go with tls=true/],
  ["kafkas://a:1?cert=/f", /cert and key go together/],
  ["kafka://a:1?ssl=true", /option ssl is unknown/],
  ["kafka://u:%zz@a:1", /percent-encoded/],
] as const)
  test(`${text} is refused`, () => assert.throws(() => kafkaBrokers(text), wrong));

test("a wrong KAFKA_BROKERS is named without its password", () => {
  assert.throws(
    () => readConfig({ KAFKA_BROKERS: "kafka://alice:geheim@a:1?mechanism=md5" }),
    ({ message }: Error) => /KAFKA_BROKERS: mechanism/.test(message) && !message.includes("geheim"),
  );
});
