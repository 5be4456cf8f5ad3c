import assert from "node:assert/strict";
import { test } from "node:test";
import { checkApart, declaredName, prefixed } from "../../../../lib/migrate/channel-names.ts";

test("a channel is known behind whatever namespace it had, and gets the one that it is to have", () => {
  const declared = ["telemetry.received", "device.events"];
  for (const [stored, name] of [
    ["telemetry.received", "telemetry.received"],
    ["old.telemetry.received", "telemetry.received"],
    ["telemetry.received.dead", "telemetry.received.dead"],
    ["a.b.device.events.dead", "device.events.dead"],
  ] as const)
    assert.equal(declaredName(stored, declared, "facts.db"), name);
  assert.throws(
    () => declaredName("xdevice.events", declared, "facts.db"),
    /^MigrationError: facts\.db has the channel 'xdevice\.events', which is not declared$/,
  );
  assert.equal(prefixed("device.events", "new"), "new.device.events");
  assert.equal(prefixed("device.events", undefined), "device.events");
  assert.throws(() => checkApart(["a", "b", "a"], "facts.db"), /has the channel 'a' of two namespaces/);
});
