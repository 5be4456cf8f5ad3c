import assert from "node:assert/strict";
import { test } from "node:test";
import { native } from "../../../../services/mqtt-bridge/dialects/native/native.ts";

const identify = (username: string | undefined) => native.identify({ username, clientId: "c" });

test("a user name is a device of tenant default, or tenant and device", () => {
  assert.deepEqual(identify("boiler-7"), { tenantId: "default", deviceId: "boiler-7" });
  assert.deepEqual(identify("acme/boiler-7"), { tenantId: "acme", deviceId: "boiler-7" });
  assert.deepEqual(identify("a/A.b_c:d-9"), { tenantId: "a", deviceId: "A.b_c:d-9" });
  const longest = { tenantId: "t".repeat(63), deviceId: "d".repeat(128) };
  assert.deepEqual(identify(`${longest.tenantId}/${longest.deviceId}`), longest);
});

for (const username of [
  ...[undefined, "", "/", "a/", "/d", "a/b/c", "a b", "d\n", "\u0000", "Tenant/d", "-t/d", "a/+", "a/#", "$SYS", "ä/d"],
  "d".repeat(129),
  `${"t".repeat(64)}/d`,
])
  test(`user name ${JSON.stringify(username)?.slice(0, 30)} is no device`, () => {
    assert.equal(identify(username), undefined);
  });

test("a device's telemetry goes to its own topic, by its id or by me", () => {
  for (const topic of ["devices/d/telemetry", "devices/me/telemetry"])
    assert.equal(native.uplink(topic, "d"), "telemetry");
  assert.equal(native.uplink("devices/me/telemetry", "me"), "telemetry");
});

test("a device says how it is on status, and that it lives on heartbeat", () => {
  for (const kind of ["status", "heartbeat"])
    for (const id of ["d", "me"]) assert.equal(native.uplink(`devices/${id}/${kind}`, "d"), kind);
});

test("me and the device's id are one topic", () => {
  assert.equal(native.canonical("devices/me/commands/#", "d"), "devices/d/commands/#");
  assert.equal(native.canonical("devices/d/config", "d"), "devices/d/config");
  assert.equal(native.canonical("devices/me/config", "d"), native.configTopic("d"));
});

for (const topic of [
  ...["devices/e/telemetry", "devices/d/telemetry/", "devices/d/Telemetry", "devices/d", "devices/d/", "telemetry", ""],
  ...[
    "/devices/d/telemetry",
    "devices/d/e/telemetry",
    "xdevices/d/telemetry",
    "devices/dd/telemetry",
    "devices//telemetry",
  ],
  ...["devices/e/status", "devices/d/status/x", "devices/+/telemetry", "devices/d/#"],
])
  test(`'${topic}' carries nothing of device d`, () => {
    assert.equal(native.uplink(topic, "d"), undefined);
  });

test("a device subscribes to its commands, its config and its alerts, and to nothing else", () => {
  for (const id of ["d", "me"])
    for (const own of ["commands/#", "config", "alerts"])
      assert.equal(native.maySubscribe(`devices/${id}/${own}`, "d"), true);
  for (const filter of [
    ...[
      "#",
      "+/#",
      "devices/#",
      "devices/+/config",
      "devices/d/#",
      "devices/d/+",
      "devices/d/commands/+",
      "devices/d/",
    ],
    ...["devices/d/telemetry", "devices/e/config", "$share/g/devices/d/config", "$SYS/#", "", "devices/d/config/"],
  ])
    assert.equal(native.maySubscribe(filter, "d"), false, filter);
});
