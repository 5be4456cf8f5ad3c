import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import mqtt, { type MqttClient } from "mqtt";
import { type Platform, startPlatform } from "../support/platform.ts";
import { unless } from "../support/requirements.ts";
import { restClient } from "../support/rest.ts";

// DISK_CONTROL names a build broken on purpose, with which these tests must fail.
const control = process.env["DISK_CONTROL"];
const controlOptions =
  control === undefined ? [] : [`--import=${new URL(`../kill/controls/${control}.ts`, import.meta.url).href}`];
const WAIT = { timeout: 20_000, interval: 100 };
const FIRST_TS = 1_700_000_000_000;

const readiness = async (platform: Platform) => {
  const response = await fetch(`${platform.http}/health/ready`);
  const { reasons = [] } = (await response.json()) as { reasons?: string[] };
  return { code: response.status, reasons };
};

const registration = async (platform: Platform, id: string) => {
  const response = await fetch(`${platform.http}/v1/devices`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ id }),
  });
  await response.body?.cancel();
  return response.status;
};

/**
 * A device that publishes at QoS 1 without end, one message after the other, and sends what was not acknowledged again
 * after it has reconnected, as MQTT wants it.
 */
class Publisher {
  readonly acknowledged = new Set<number>();
  sent = 0;
  readonly #client: MqttClient;
  #ended = false;

  constructor(url: string, deviceId: string, password: string, protocolVersion: 4 | 5) {
    this.#client = mqtt.connect(url, {
      ...{ username: deviceId, password, clientId: deviceId, clean: false, protocolVersion, reconnectPeriod: 200 },
      // A platform that cannot store cannot begin a session either: CONNACK 3 or 0x88, try again later.
      reconnectOnConnackError: true,
      properties: protocolVersion === 5 ? { sessionExpiryInterval: 3600 } : undefined,
    } as mqtt.IClientOptions);
    this.#client.on("error", () => {});
    void this.#publish();
  }

  async #publish(): Promise<void> {
    for (; !this.#ended; await sleep(5)) {
      const n = this.sent++;
      const payload = JSON.stringify({ ts: FIRST_TS + n, values: { n, padding: "x".repeat(900) } });
      for (let stored = false; !stored && !this.#ended; ) {
        // An MQTT 5 platform may refuse with a reason code; mqtt.js reports that, and does not send it again by itself.
        stored = await this.#client.publishAsync("devices/me/telemetry", payload, { qos: 1 }).then(
          (packet) => ((packet as { reasonCode?: number } | undefined)?.reasonCode ?? 0) < 0x80,
          () => false,
        );
        if (!stored) await sleep(100);
      }
      if (!this.#ended) this.acknowledged.add(n);
    }
  }

  async end(): Promise<void> {
    this.#ended = true;
    await this.#client.endAsync(true);
  }
}

/** Nothing is acknowledged over a second. */
async function standsStill(publishers: readonly Publisher[]): Promise<void> {
  const count = () => publishers.map(({ acknowledged }) => acknowledged.size);
  const before = count();
  await sleep(1000);
  assert.deepEqual(count(), before);
}

async function exactlyOnce(t: TestContext, platform: Platform, devices: Record<string, Publisher>): Promise<void> {
  const rest = restClient(platform.http);
  for (const [deviceId, { acknowledged }] of Object.entries(devices))
    await t.waitFor(async () => {
      const numbers = (await rest.readings(deviceId)).map(({ values }) => values["n"] as number);
      const stored = new Set(numbers);
      assert.equal(stored.size, numbers.length, "none twice");
      assert.deepEqual(
        [...acknowledged].filter((n) => !stored.has(n)),
        [],
      );
    }, WAIT);
}

/** Devices of both versions of MQTT publish while the disk goes and comes back. */
async function throughTrouble(
  t: TestContext,
  platform: Platform,
  reason: RegExp,
  begin: () => void,
  end: () => void,
): Promise<void> {
  const rest = restClient(platform.http);
  const publishers: Record<string, Publisher> = {};
  for (const version of [4, 5] as const) {
    const id = `mqtt-${version}`;
    await rest.register(id);
    publishers[id] = new Publisher(platform.mqtt, id, await rest.credential(id), version);
  }
  const all = Object.values(publishers);
  t.after(() => Promise.all(all.map((publisher) => publisher.end())));
  await t.waitFor(() => assert.ok(all.every(({ acknowledged }) => acknowledged.size > 20)), WAIT);
  assert.deepEqual(await readiness(platform), { code: 200, reasons: [] });

  begin();
  const troubled = (engine: string) =>
    t.waitFor(async () => {
      const { code, reasons } = await readiness(platform);
      assert.equal(code, 503);
      assert.ok(
        reasons.some((one) => one.startsWith(engine) && reason.test(one)),
        `${engine}: ${reasons}`,
      );
    }, WAIT);
  await troubled("facts channel");
  await standsStill(all);
  await t.waitFor(async () => assert.equal(await registration(platform, `refused-${Date.now()}`), 503), WAIT);
  await troubled("document store");
  await troubled("session store");
  assert.equal((await fetch(`${platform.http}/health/live`)).status, 200);
  const unanswered = all.map(({ sent }) => sent - 1);
  const answered = (ahead: number) => all.map(({ acknowledged }, i) => acknowledged.has(Number(unanswered[i]) + ahead));
  assert.deepEqual(answered(0), [false, false]);

  end();
  await t.waitFor(async () => assert.deepEqual(await readiness(platform), { code: 200, reasons: [] }), WAIT);
  await t.waitFor(() => assert.deepEqual([...answered(0), ...answered(5)], [true, true, true, true]), WAIT);
  assert.equal(await registration(platform, "afterwards"), 201);
  await Promise.all(all.map((publisher) => publisher.end()));
  await exactlyOnce(t, platform, publishers);
}

test("a full disk: no PUBACK, not ready and why, REST writes 503, alive; room again: all goes on by itself, what was resent is stored once", {
  skip: unless("tmpfs"),
  timeout: 120_000,
}, async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), "ganglion-full-"));
  assert.equal(spawnSync("mount", ["-t", "tmpfs", "-o", "size=48m", "tmpfs", dataDir]).status, 0);
  const platform = await startPlatform({ dataDir, nodeOptions: controlOptions, env: { HTTP_RATE_LIMIT: "1000000" } });
  t.after(async () => {
    await platform.kill();
    spawnSync("umount", [dataDir]);
    rmdirSync(dataDir);
  });
  const filler = join(dataDir, "filler");
  await throughTrouble(
    t,
    platform,
    /the disk is full/,
    () => fill(filler),
    () => rmSync(filler),
  );
});

test("a data folder that turns read-only: no PUBACK, not ready and why, REST writes 503, alive; writable again: all goes on by itself", {
  timeout: 120_000,
}, async (t) => {
  const readOnly = new URL("../support/read-only.ts", import.meta.url).href;
  const platform = await startPlatform({
    nodeOptions: [...controlOptions, `--import=${readOnly}`],
    env: { HTTP_RATE_LIMIT: "1000000" },
  });
  t.after(() => platform.kill());
  const toggle = () => {
    for (const pid of platform.pids) process.kill(pid, "SIGUSR2");
  };
  await throughTrouble(t, platform, /read-only/, toggle, toggle);
});

/** Takes all room there is. */
function fill(path: string): void {
  const file = openSync(path, "w");
  try {
    for (const block = Buffer.alloc(65_536, 1); ; ) writeSync(file, block);
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
  } finally {
    closeSync(file);
  }
}
