import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startMosquitto } from "../support/engines/mosquitto.ts";
import { startRabbitMqMqtt } from "../support/engines/rabbitmq-mqtt.ts";
import { type KillPlan, killUnderLoad } from "./mqtt-kill-procedure.ts";

const KILLS = 3;
const OUTAGE_MS = 1000;
/** A quorum queue that was just declared does not survive a kill of RabbitMQ 3.10. */
const QUEUE_MS = 3000;

async function mosquitto(t: TestContext): Promise<{ plan: KillPlan; kill(): Promise<void> }> {
  const broker = await startMosquitto();
  t.after(() => broker.dispose());
  const plan: KillPlan = {
    broker: { env: broker.env, devices: broker.devices, versions: [4, 5] },
    kills: KILLS,
    print: (line) => t.diagnostic(line),
  };
  const kill = async () => {
    await broker.kill();
    await sleep(OUTAGE_MS);
    await broker.start();
  };
  return { plan, kill };
}

async function rabbitMq(t: TestContext): Promise<{ plan: KillPlan; kill(): Promise<void> }> {
  const broker = await startRabbitMqMqtt();
  t.after(() => broker.dispose());
  const plan: KillPlan = {
    broker: { env: broker.env, devices: broker.devices, versions: [4] },
    kills: KILLS,
    print: (line) => t.diagnostic(line),
  };
  const kill = async () => {
    await sleep(QUEUE_MS);
    await broker.kill();
    await sleep(OUTAGE_MS);
    await broker.start();
  };
  return { plan, kill };
}

for (const [name, open] of [
  ["mosquitto", mosquitto],
  ["RabbitMQ", rabbitMq],
] as const) {
  test(`the bridge at ${name} is killed under load: what the broker has acknowledged is stored exactly once`, async (t) => {
    const { plan } = await open(t);
    const { acknowledged, stored, lost, doubled, unknown } = await killUnderLoad(plan);
    assert.ok(acknowledged > 0);
    assert.deepEqual({ stored, lost, doubled, unknown }, { stored: acknowledged, lost: 0, doubled: 0, unknown: 0 });
  });

  test(`control: a bridge at ${name} that acknowledges before the message is stored is found out`, async (t) => {
    const { plan } = await open(t);
    const { lost } = await killUnderLoad({ ...plan, kills: 1, control: "acknowledge-broker-first" });
    assert.ok(lost > 0, "nothing was lost");
  });
}

test("mosquitto is killed under load: nothing is stored twice; what it loses itself is counted", async (t) => {
  const { plan, kill } = await mosquitto(t);
  const { acknowledged, lost, doubled, unknown } = await killUnderLoad({ ...plan, kill });
  t.diagnostic(
    `of ${acknowledged} messages that mosquitto acknowledged it has lost ${lost} itself, over ${KILLS} kills`,
  );
  assert.deepEqual({ doubled, unknown }, { doubled: 0, unknown: 0 });
  assert.ok(lost < acknowledged / 2, "the flow goes on");
});

test("RabbitMQ is killed under load: what it has acknowledged is stored exactly once", async (t) => {
  const { plan, kill } = await rabbitMq(t);
  const { acknowledged, stored, lost, doubled, unknown } = await killUnderLoad({ ...plan, kill });
  assert.deepEqual({ stored, lost, doubled, unknown }, { stored: acknowledged, lost: 0, doubled: 0, unknown: 0 });
});
