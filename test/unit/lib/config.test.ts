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

for (const host of ["0.0.0.0", "::", "192.168.1.5", "example.org"]) {
  test(`HOST ${host} is refused without INSECURE_LISTEN`, () => {
    assert.throws(() => readConfig({ HOST: host }), /HOST: .*INSECURE_LISTEN=1/);
    assert.equal(readConfig({ HOST: host, INSECURE_LISTEN: "1" }).HOST, host);
  });
}

for (const host of ["127.0.0.1", "127.8.8.8", "::1", "localhost"]) {
  test(`HOST ${host} is loopback`, () => assert.equal(readConfig({ HOST: host }).HOST, host));
}

test("with AUTH=required any HOST is listened on", () => {
  assert.equal(readConfig({ HOST: "0.0.0.0", AUTH: "required" }).HOST, "0.0.0.0");
  assert.throws(() => readConfig({ HOST: "0.0.0.0", AUTH: "off" }), /HOST: .*AUTH=required/);
});

for (const [name, wrong, right] of [
  ["AUTH", "on", "required"],
  ["ISSUER", "http://localhost:3000/", "https://id.example/tenant"],
  ["ISSUER", "localhost", "http://localhost:3000"],
  ["ISSUER", "https://id.example?x", "https://id.example"],
  ["JWKS_URL", "file:///etc/passwd", "https://id.example/jwks"],
  ["PUBLIC_ORIGINS", "https://api.example/v1", "https://api.example,http://localhost:3000"],
  ["PUBLIC_ORIGINS", "https://api.example:443", "https://api.example:8443"],
  ["DPOP_PROOF_SECONDS", "0", "60"],
  ["DPOP_REPLAY", "redis", "documents"],
] as const)
  test(`${name} is not ${wrong}, but ${right}`, () => {
    assert.throws(() => readConfig({ [name]: wrong }), new RegExp(`${name}: `));
    assert.ok(readConfig({ [name]: right }));
  });

test("tokens are judged by the issuer's own settings; proofs are shared where there may be several gateways", () => {
  const authOf = (env: Record<string, string>) =>
    (serviceSettings(readConfig(env))["gateway"] as { auth?: Record<string, unknown> }).auth;
  assert.equal(authOf({}), undefined);
  const alone = authOf({ AUTH: "required", ISSUER: "https://id.example/x" });
  assert.partialDeepStrictEqual(alone, {
    ...{ issuer: "https://id.example/x", audience: "https://id.example/x/v1", origins: ["https://id.example"] },
    ...{ tokenCacheSeconds: 30, proofSeconds: 60, skewSeconds: 5, nonceRequired: false },
  });
  assert.deepEqual([alone?.["proofs"], alone?.["jwksUrl"]], [undefined, undefined]);
  const TRANSPORTER = "nats://127.0.0.1";
  const many = authOf({ AUTH: "required", TRANSPORTER, MONGO_URL: "mongodb://m/x", DATA_DIR: "d" });
  assert.partialDeepStrictEqual(many?.["proofs"], { file: "d/proofs.db", mongo: { url: "mongodb://m/x" } });
  assert.equal(authOf({ AUTH: "required", TRANSPORTER, DPOP_REPLAY: "memory" })?.["proofs"], undefined);
});

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

test("the key of the authorization server is told to no other node, and not where it is refused", () => {
  const key = "k".repeat(43);
  const { oauth } = serviceSettings(readConfig({ OAUTH_KEY: key }));
  assert.equal(oauth?.["key"], key);
  assert.ok([oauth?.["$secureSettings"]].flat().includes("key"));
  assert.throws(
    () => readConfig({ OAUTH_KEY: "s3cret" }),
    (error: Error) => !error.message.includes("s3cret"),
  );
});

test("what of an external MQTT broker does not go together is told by name, without passwords", () => {
  const MQTT_URL = "mqtt://ganglion:s3cret@broker:1885";
  const files = { MQTT_PASSWORD_FILE: "/p", MQTT_ACL_FILE: "/a" };
  const wrong: [env: Record<string, string>, names: RegExp][] = [
    [{ MQTT_URL: "http://ganglion:s3cret@broker" }, /MQTT_URL: must be/],
    [{ MQTT_URL: "mqtt://" }, /MQTT_URL/],
    [{ MQTT_URL: "mqtt://ganglion:s3cret%zz@broker" }, /MQTT_URL: is no URL/],
    [{ MQTT_URL, MQTT_PASSWORD_FILE: "/p" }, /MQTT_PASSWORD_FILE, MQTT_ACL_FILE: one without the other/],
    [{ MQTT_URL, MQTT_PID_FILE: "/p" }, /MQTT_PID_FILE: only with/],
    [files, /only with an MQTT_URL/],
    [{ ...files, MQTT_URL: "amqp://ganglion:s3cret@broker" }, /only with an MQTT_URL of mqtt/],
    [{ ...files, MQTT_URL: "mqtt://broker" }, /MQTT_URL: must name a user/],
    [{ ...files, MQTT_URL: "mqtt://a%3Ab:s3cret@broker" }, /without a colon/],
    [{ MQTT_AUTH_PORT: "3001" }, /MQTT_AUTH_PORT: only with MQTT_URL/],
    [{ MQTT_URL, MQTT_AUTH_SECRET: "sixteen-letters-" }, /only with MQTT_AUTH_PORT/],
    [{ MQTT_URL, MQTT_AUTH_PORT: "3001", MQTT_AUTH_SECRET: "s3cret" }, /MQTT_AUTH_SECRET: must be 16/],
    [{ MQTT_URL, MQTT_AUTH_PORT: "3001", MQTT_AUTH_HOST: "0.0.0.0" }, /MQTT_AUTH_SECRET has to be set/],
    [{ MQTT_REQUIRE: "kick,levitation" }, /MQTT_REQUIRE/],
  ];
  for (const [env, names] of wrong)
    assert.throws(
      () => readConfig(env),
      (error: Error) => names.test(error.message) && !error.message.includes("s3cret"),
      JSON.stringify(env),
    );
  const { MQTT_AUTH_PORT, MQTT_REQUIRE } = readConfig({ MQTT_URL, MQTT_REQUIRE: "kick, mqtt-5", ...files });
  assert.deepEqual([MQTT_AUTH_PORT, MQTT_REQUIRE], [undefined, ["kick", "mqtt-5"]]);
});
