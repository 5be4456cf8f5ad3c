import assert from "node:assert/strict";
import { test } from "node:test";
import { serviceFiles } from "../../../lib/cluster/service-files.ts";

const FILES = [
  "gateway/gateway",
  "telemetry/telemetry",
  "telemetry/retention",
  "telemetry/consumers/store",
  "telemetry/consumers/latest",
];
const all = FILES.map((name) => `services/${name}.service.ts`);
const chosen = (...wanted: string[]) =>
  serviceFiles(wanted, all).map((file) => file.slice("services/".length, -".service.ts".length));

test("a folder stands for all services in it, a path for one", () => {
  assert.deepEqual(chosen("gateway"), ["gateway/gateway"]);
  assert.deepEqual(chosen("telemetry"), FILES.slice(1));
  assert.deepEqual(chosen("telemetry/consumers", "gateway"), [...FILES.slice(3), "gateway/gateway"]);
  assert.deepEqual(chosen("services/telemetry/retention.service.ts"), ["telemetry/retention"]);
});

test("masks and exceptions are the runner's", () => {
  assert.deepEqual(chosen("telemetry/*"), ["telemetry/telemetry", "telemetry/retention"]);
  assert.deepEqual(chosen("**", "!telemetry/consumers"), FILES.slice(0, 3));
});

test("what is no service is refused, with those that there are", () => {
  assert.throws(() => chosen("gatway"), /SERVICES: no service is called gatway; there are gateway\/gateway, telemetry/);
  assert.throws(() => chosen("gateway", "!gateway"), /names no service/);
});
