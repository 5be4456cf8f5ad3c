import assert from "node:assert/strict";
import { test } from "node:test";
import { brokerHashOf } from "../../../../services/device-registry/credential.ts";
import {
  aclLines,
  bridgeLines,
  passwordLines,
  usernamesOf,
} from "../../../../services/mqtt-bridge/edge/external/mosquitto-accounts.ts";

test("a secret's hash is the one that mosquitto_passwd 2.0.11 makes with the same salt", () => {
  // mosquitto_passwd -b passwords default/a secret
  const made =
    "$7$101$5aPZN6ZJVwJxg05t$Fvn81QZ7AO/nxOvANXlXq1XfDUQtO47O+2dbv7CSgsJo8iYm99zXr6N8vPbpKqFCrqVRKNjS66vS1KoT5lEVYQ==";
  const [, , , salt = ""] = made.split("$");
  assert.equal(brokerHashOf("secret", Buffer.from(salt, "base64")), made);
  assert.notEqual(brokerHashOf("secret"), brokerHashOf("secret"));
});

test("a device's user name has its tenant; that of tenant default may go without; a colon is written %3A", () => {
  assert.deepEqual(usernamesOf({ tenantId: "one", deviceId: "boiler-7" }), ["one/boiler-7"]);
  assert.deepEqual(usernamesOf({ tenantId: "default", deviceId: "a:b" }), ["default/a%3Ab", "a%3Ab"]);
  assert.equal(passwordLines({ tenantId: "one", deviceId: "a:b", hash: "$7$x" }), "one/a%3Ab:$7$x\n");
});

test("a device may publish and read its own topics, by its id", () => {
  assert.equal(
    aclLines({ tenantId: "one", deviceId: "a:b" }),
    [
      "user one/a%3Ab",
      "topic write one/devices/a:b/telemetry",
      "topic write one/devices/a:b/status",
      "topic write one/devices/a:b/heartbeat",
      "topic read one/devices/a:b/commands/#",
      "topic read one/devices/a:b/config",
      "topic read one/devices/a:b/alerts",
      "",
    ].join("\n"),
  );
});

test("the bridge's lines are the same in every process, and its user has to be one that a password file can have", () => {
  const lines = bridgeLines("mqtt://gang%6Cion:p%40ss@127.0.0.1");
  assert.deepEqual(lines, bridgeLines("mqtt://ganglion:p%40ss@broker:1884"));
  assert.match(lines.password, /^ganglion:\$7\$101\$/);
  assert.match(lines.acl, /^user ganglion\ntopic read \+\/devices\/\+\/telemetry\n/);
  for (const url of ["mqtt://127.0.0.1", "mqtt://a%3Ab:c@127.0.0.1", "mqtt://a%0Ab:c@127.0.0.1"])
    assert.throws(() => bridgeLines(url), /MQTT_URL: must name a user/);
});
