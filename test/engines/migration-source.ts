import assert from "node:assert/strict";
import { join } from "node:path";
import type { TestContext } from "node:test";
import mqtt from "mqtt";
import { ConsumerGroups } from "../../lib/channels/consumer-groups.ts";
import { LogFile } from "../../lib/channels/log-file.ts";
import { WorkFile } from "../../lib/channels/work-file.ts";
import type { DeadLetterSummary } from "../../schemas/dead-letters.ts";
import { startPlatform } from "../support/platform.ts";
import { type RecordedMessage, recordedMessages } from "../support/recording.ts";
import { type RestClient, restClient } from "../support/rest.ts";

const REFUSING = `--import=${new URL("../support/refusing-store.ts", import.meta.url).href}`;
const WAIT = { timeout: 30_000, interval: 100 };
/** Of the recording. */
export const MESSAGES = 3000;
/** Facts that no consumer has seen when the platform stopped, and the groups that have not. */
export const LEFT = 700;
/** Each of the three devices has one, and one was left. */
export const LETTERS = 4;
const HOUR_MS = 3_600_000;
const DEATH = {
  ...{ "x-original-channel": "telemetry.received", "x-original-group": "store", "x-original-position": "7" },
  ...{ "x-original-timestamp": "2026-01-01T00:00:00.000Z", "x-dead-at": "2026-01-01T00:00:01.000Z" },
  ...{ "x-dead-cause": "rejected", "x-of": "an odd one" },
};

/** A data folder as a platform leaves it that has lived: three real devices, and something of every kind of data. */
export async function fillSource(t: TestContext, dataDir: string): Promise<void> {
  const platform = await startPlatform({ dataDir, nodeOptions: [REFUSING], readyMs: 60_000 });
  t.after(() => platform.kill());
  const rest = restClient(platform.http);
  const byDevice = Map.groupBy(recordedMessages().slice(0, MESSAGES), ({ device_id }) => device_id);
  await rest.request("PUT", "/v1/device-types/sensor", { retentionDays: 36_500 });
  await Promise.all([...byDevice].map(([id, messages]) => publish(platform.mqtt, rest, id, messages)));
  const [first = ""] = byDevice.keys();
  const path = `/v1/devices/${encodeURIComponent(first)}`;
  await rest.request("PATCH", path, { name: "Ölmühle", type: "sensor", groups: ["hall"], tags: { "a.b": "$x" } });
  await rest.request("PUT", `${path}/config`, { config: { "interval.s": 10, $on: true } });
  // Sent again within a day it is this one, whatever engine has it then.
  await rest.request("POST", `${path}/readings`, { readings: [{ id: "once", values: { door: "open", count: 1 } }] });
  const readings = [...byDevice.values()].flat().length;
  await t.waitFor(async () => assert.equal(await countAll(rest, [...byDevice.keys()]), readings + 1), WAIT);
  await t.waitFor(async () => {
    const { items } = (await rest.request("GET", "/v1/dead-letters")) as { items: DeadLetterSummary[] };
    assert.deepEqual([items.length, (await rest.rejected()).length], [byDevice.size, byDevice.size]);
  }, WAIT);
  assert.equal((await platform.stop()).code, 0);
  leave(dataDir, [...byDevice.keys()]);
}

async function countAll(rest: RestClient, ids: readonly string[]): Promise<number> {
  const counts = await Promise.all(ids.map(async (id) => (await rest.readings(id)).length));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** A device's messages, one that is rejected, and one that becomes a dead letter. */
async function publish(url: string, rest: RestClient, id: string, messages: readonly RecordedMessage[]) {
  await rest.register(id);
  const password = await rest.credential(id);
  const client = await mqtt.connectAsync(url, { username: id, password, reconnectPeriod: 0 });
  const send = (payload: unknown) => client.publishAsync("devices/me/telemetry", JSON.stringify(payload), { qos: 1 });
  for (let at = 0; at < messages.length; at += 100)
    await Promise.all(messages.slice(at, at + 100).map(({ ts, data }) => send({ ts, values: data })));
  await send({ a: { b: 1 } });
  await send({ ts: 1_600_000_000, values: { c: 1 } });
  await client.endAsync();
}

/** What a platform has not got round to: facts that one group has consumed and the other has not, and items of work. */
function leave(dataDir: string, ids: readonly string[]): void {
  const facts = new LogFile({ file: join(dataDir, "facts.db") });
  const log = facts.channel("telemetry.received");
  const letters = facts.channel("telemetry.received.dead");
  const messages = Array.from({ length: LEFT }, (_, n) => {
    const deviceId = ids[n % ids.length] as string;
    const readings = [{ ts: 1_700_000_000_000_000 + n * 1e6, seq: n, values: { temp: n / 7, left: true } }];
    const fact = { tenantId: "default", deviceId, messageId: `left-${n}`, receivedAt: 1.7e15, readings };
    return [`default/${deviceId}`, n % 2 === 0 ? null : '{"x-of":"an odd one"}', JSON.stringify(fact)];
  });
  const groups = new ConsumerGroups(facts);
  const now = Date.now();
  facts.transaction(() => {
    log.append(messages.slice(0, LEFT / 2).flat(), now);
    groups.move(log.id, "latest", log.end());
    log.append(messages.slice(LEFT / 2).flat(), now);
    letters.append(["default/none", JSON.stringify(DEATH), "{"], now);
  });
  facts.close();
  const work = new WorkFile({ file: join(dataDir, "work.db") });
  const [jobs, dead] = [work.queue("jobs"), work.queue("jobs.dead")];
  const item = (value: string, due: number, deadline: number | null) => ({
    ...{ key: "k", headers: '{"x-of":"a test"}', value, due, deadline },
  });
  work.transaction(() => {
    jobs.insert(item('{"n":1}', now, null), now);
    // In work when its process ended.
    jobs.take("gone", 1, now, now + HOUR_MS);
    jobs.insert(item('{"n":2}', now + HOUR_MS, null), now);
    jobs.insert(item('{"n":3}', now, now + HOUR_MS), now);
    jobs.insert(item('{"n":4}', now, null), now);
    dead.insert(item('{"n":0}', now, null), now);
  });
  work.close();
}
