import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTransporter } from "../../../lib/cluster/transporter-url.ts";
import { readConfig } from "../../../lib/config.ts";

test("NATS is named by one server or several, with user and password decoded, and TLS by its scheme", () => {
  assert.deepEqual(parseTransporter("nats://127.0.0.1:4333"), {
    kind: "nats",
    servers: ["127.0.0.1:4333"],
    tls: false,
  });
  assert.deepEqual(parseTransporter("tls://me:p%40ss@a,b:4333"), {
    ...{ kind: "nats", servers: ["a:4222", "b:4333"], tls: true, user: "me", password: "p@ss" },
  });
});

test("TCP peers are named with port and node", () => {
  assert.deepEqual(parseTransporter("tcp://127.0.0.1:4001/gateway,10.0.0.2:4002/edge"), {
    kind: "tcp",
    nodes: [
      { nodeId: "gateway", host: "127.0.0.1", port: 4001 },
      { nodeId: "edge", host: "10.0.0.2", port: 4002 },
    ],
  });
});

for (const [text, message] of [
  ["TCP", /must be nats:\/\//],
  ["kafka://k:9092", /must be nats:\/\//],
  ["nats://", /no URL|no host/],
  ["tcp://127.0.0.1/gateway", /must name a port/],
  ["tcp://127.0.0.1:4001", /must name a port/],
  ["tcp://127.0.0.1:4001/a,127.0.0.1:4002/a", /twice/],
  ["nats://a:1,tcp://b:2/c", /one scheme/],
] as const)
  test(`TRANSPORTER=${text} is refused, naming the variable`, () => {
    assert.throws(() => parseTransporter(text), message);
    assert.throws(() => readConfig({ TRANSPORTER: text }), /TRANSPORTER: /);
  });

for (const [env, message] of [
  [{ SERVICES: "gateway" }, /SERVICES: only with TRANSPORTER/],
  [{ NODE_ID: "gateway" }, /NODE_ID: only with TRANSPORTER/],
  [{ TRANSPORTER: "nats://a", NODE_ID: "a/b" }, /NODE_ID: must have letters/],
  [{ TRANSPORTER: "nats://a", NAMESPACE: "a.b" }, /NAMESPACE: must have letters/],
  [{ TRANSPORTER: "tls://a", TRANSPORTER_KEY_FILE: "k" }, /one without the other/],
] as const)
  test(`${JSON.stringify(env)} is refused`, () => assert.throws(() => readConfig(env), message));
