import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError, readConfig } from "../../../lib/config.ts";
import { serviceSettings } from "../../../lib/service-settings.ts";

test("an empty environment is a complete one: loopback, the documented ports, FULL durability", () => {
  const config = readConfig({});
  assert.ok(Object.isFrozen(config));
  assert.partialDeepStrictEqual(config, {
    HOST: "127.0.0.1",
    HTTP_PORT: 3000,
    MQTT_PORT: 1883,
    MQTT_WS_PORT: 8083,
    DATA_DIR: "./data",
    SQLITE_SYNCHRONOUS: "FULL",
  });
});

test("every wrong variable is named in one message", () => {
  assert.throws(
    () => readConfig({ HTTP_PORT: "70000", SQLITE_SYNCHRONOUS: "OFF", MQTT_PORT: "x", HOST: "0.0.0.0" }),
    (error: Error) => {
      assert.ok(error instanceof ConfigError);
      for (const name of ["HTTP_PORT", "SQLITE_SYNCHRONOUS", "MQTT_PORT", "HOST"])
        assert.match(error.message, new RegExp(name));
      return true;
    },
  );
});

for (const [wrong, meant] of [
  ["HTTP_PROT", "HTTP_PORT"],
  ["DATADIR", "DATA_DIR"],
  ["KAFKA_BROKER", "KAFKA_BROKERS"],
  ["MQTTT_PORT", "MQTT_PORT"],
] as const) {
  test(`${wrong}, one edit away from ${meant}, is refused`, () => {
    assert.throws(() => readConfig({ [wrong]: "1" }), new RegExp(`${wrong}: unknown, did you mean ${meant}\\?`));
  });
}

for (const number of [" ", "0x50", "1e3", "-1", "1.5"]) {
  test(`HTTP_PORT ${JSON.stringify(number)} is no number`, () => {
    assert.throws(() => readConfig({ HTTP_PORT: number }), /HTTP_PORT/);
  });
}

test("other people's variables are left alone", () => {
  assert.equal(readConfig({ PATH: "/bin", HOME: "/", PORT: "1", npm_config_cache: "x" }).HTTP_PORT, 3000);
});

test("RABBITMQ_URL is an amqp or amqps URL; a wrong one is not repeated, because it may hold a password", () => {
  for (const url of ["amqp://u:p@host:5672/vhost?heartbeat=5", "amqps://host"])
    assert.equal(readConfig({ RABBITMQ_URL: url }).RABBITMQ_URL, url);
  for (const url of ["http://u:secret@host", "amqp:", "u:secret@host"])
    assert.throws(
      () => readConfig({ RABBITMQ_URL: url }),
      ({ message }: Error) => /RABBITMQ_URL: must be amqp/.test(message) && !message.includes("secret"),
    );
});

test("an engine that this version lacks is refused rather than ignored", () => {
  assert.throws(() => readConfig({ MQTT_URL: "mqtt://127.0.0.1" }), /MQTT_URL/);
});

for (const host of ["0.0.0.0", "::", "192.168.1.5", "example.org"]) {
  test(`HOST ${host} is refused without INSECURE_LISTEN`, () => {
    assert.throws(() => readConfig({ HOST: host }), /HOST: .*INSECURE_LISTEN=1/);
    assert.equal(readConfig({ HOST: host, INSECURE_LISTEN: "1" }).HOST, host);
  });
}

for (const host of ["127.0.0.1", "127.8.8.8", "::1", "localhost"]) {
  test(`HOST ${host} is loopback`, () => assert.equal(readConfig({ HOST: host }).HOST, host));
}

test("a password in a URL is not told where the URL is refused", () => {
  const refused = { message: "invalid environment: MONGO_URL: must be mongodb://… or mongodb+srv://…" };
  assert.throws(() => readConfig({ MONGO_URL: "mongo://me:s3cret@host" }), refused);
});

test("MONGO_URL alone puts documents, readings and newest values into MongoDB, and is told to no other node", () => {
  const url = "mongodb://me:s3cret@a,b/plant?replicaSet=rs";
  const settings = serviceSettings(readConfig({ MONGO_URL: url }));
  const stores = Object.keys(settings).filter((name) => settings[name]?.["mongo"] !== undefined);
  assert.deepEqual(stores.sort(), [
    ...["audit", "dead-letters", "device-registry", "oauth", "rejected-messages", "telemetry"],
    ...["telemetry-latest", "telemetry-retention", "telemetry-store", "users"],
  ]);
  for (const name of stores) {
    const mongo = { url, timeoutMs: 10_000, selectionMs: 5000, poolMax: 20 };
    assert.partialDeepStrictEqual(settings[name], { mongo });
    assert.ok([settings[name]?.["$secureSettings"]].flat().includes("mongo"), name);
  }
  const without = serviceSettings(readConfig({}));
  assert.ok(Object.values(without).every((one) => !("mongo" in one)));
});

test("an issuer is an origin, https beyond loopback; its key is told to no other node, and not where it is refused", () => {
  for (const issuer of ["http://localhost:3000", "http://[::1]:3000", "https://iot.example.org"])
    assert.equal(readConfig({ ISSUER: issuer }).ISSUER, issuer);
  for (const issuer of ["http://iot.example.org", "https://iot.example.org/", "https://iot.example.org/oauth", "iot"])
    assert.throws(() => readConfig({ ISSUER: issuer }), /^ConfigError: invalid environment: ISSUER: must be /);
  const key = "k".repeat(43);
  const { oauth } = serviceSettings(readConfig({ OAUTH_KEY: key }));
  assert.equal(oauth?.["key"], key);
  assert.ok([oauth?.["$secureSettings"]].flat().includes("key"));
  assert.throws(
    () => readConfig({ OAUTH_KEY: "s3cret" }),
    (error: Error) => !error.message.includes("s3cret"),
  );
});
