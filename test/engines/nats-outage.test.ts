import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import mqtt, { type MqttClient } from "mqtt";
import { makeCertificate } from "../support/certificate.ts";
import { startCluster } from "../support/cluster.ts";
import { natsVersion, startNats } from "../support/engines/nats.ts";
import { restClient } from "../support/rest.ts";

const WAIT = { timeout: 20_000, interval: 50 };
/** Until everything flows again after the server's return. */
const FLOW_MS = 15_000;
const STOP_MS = 10_000;
const RATE_PER_SECOND = 500;
const DEVICES = 5;
const OUTAGE_MS = 3000;

console.log(natsVersion());
const folder = mkdtempSync(join(tmpdir(), "ganglion-nats-"));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));

async function start(t: TestContext, name: string, config: string[] = [], env: Record<string, string> = {}) {
  const nats = await startNats({ config });
  t.after(() => nats.kill());
  const cluster = await startCluster({ shape: "nats", dataDir: join(folder, name), nats, env });
  t.after(() => cluster.kill());
  return { nats, cluster, http: String(cluster.urls["http"]), rest: restClient(String(cluster.urls["http"])) };
}

/** Publishes at QoS 1, sending again what was not acknowledged, until it is told to end. */
class Publisher {
  readonly acknowledged = new Set<number>();
  readonly #client: MqttClient;
  #next = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(url: string, deviceId: string, password: string) {
    this.#client = mqtt.connect(url, {
      username: deviceId,
      password,
      clientId: deviceId,
      clean: false,
      reconnectPeriod: 200,
    });
    this.#client.on("error", () => {});
  }

  begin(perSecond: number): void {
    this.#timer = setInterval(() => {
      const n = this.#next++;
      const payload = JSON.stringify({ ts: 1_700_000_000_000 + n, values: { n } });
      this.#client.publishAsync("devices/me/telemetry", payload, { qos: 1 }).then(
        () => this.acknowledged.add(n),
        () => {},
      );
    }, 1000 / perSecond);
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    for (const deadline = Date.now() + FLOW_MS; this.acknowledged.size < this.#next && Date.now() < deadline; )
      await sleep(50);
    await this.#client.endAsync();
  }
}

test("NATS is killed and returns under load: what was acknowledged is stored exactly once, calls are 503 meanwhile, and everything flows again by itself", {
  timeout: 120_000,
}, async (t) => {
  const { nats, cluster, http, rest } = await start(t, "load");
  const publishers = new Map<string, Publisher>();
  for (let i = 0; i < DEVICES; i++) {
    const id = `d-${i}`;
    await rest.register(id);
    publishers.set(id, new Publisher(String(cluster.urls["mqtt"]), id, await rest.credential(id)));
  }
  for (const one of publishers.values()) one.begin(RATE_PER_SECOND / DEVICES);
  const count = () => [...publishers.values()].reduce((sum, { acknowledged }) => sum + acknowledged.size, 0);
  await t.waitFor(() => assert.ok(count() > RATE_PER_SECOND), WAIT);

  await nats.kill("SIGKILL");
  const gone = Date.now();
  const before = count();
  const refused = await fetch(`${http}/v1/devices`);
  assert.equal(refused.status, 503);
  assert.match(String(refused.headers.get("retry-after")), /^\d+$/);
  assert.ok(Date.now() - gone < STOP_MS, "refused at once, not when a call has timed out");
  const readiness = (await (await fetch(`${http}/health/ready`)).json()) as { reasons: string[] };
  assert.ok(
    readiness.reasons.some((one) => /^transporter: no connection to NATS/.test(one)),
    String(readiness.reasons),
  );
  await sleep(OUTAGE_MS);
  // What a device that is connected sends needs no other process.
  assert.ok(count() > before + RATE_PER_SECOND);

  await nats.start();
  await t.waitFor(
    async () => {
      assert.equal((await fetch(`${http}/health/ready`)).status, 200);
      assert.equal((await fetch(`${http}/v1/devices`)).status, 200);
      await rest.register("afterwards");
    },
    { timeout: FLOW_MS, interval: 50 },
  );

  await Promise.all([...publishers.values()].map((one) => one.end()));
  for (const [id, { acknowledged }] of publishers)
    await t.waitFor(async () => {
      const stored = (await rest.readings(id)).map(({ values }) => Number(values["n"]));
      assert.equal(new Set(stored).size, stored.length, "none twice");
      assert.deepEqual(
        [...acknowledged].filter((n) => !stored.includes(n)),
        [],
      );
    }, WAIT);
  assert.equal((await cluster.stop()).code, 0);
  assert.doesNotMatch(cluster.output(), /unhandled/i);
});

test("every process stops in time while NATS is away", { timeout: 60_000 }, async (t) => {
  const { nats, cluster } = await start(t, "stop");
  await nats.kill("SIGKILL");
  await sleep(500);
  const begun = Date.now();
  assert.deepEqual(await cluster.stop(), { code: 0, signal: null });
  assert.ok(Date.now() - begun < STOP_MS);
  assert.doesNotMatch(cluster.output(), /stopping took longer|unhandled/i);
});

test("a process that starts before NATS waits for it, and can be stopped meanwhile", { timeout: 60_000 }, async (t) => {
  const { nats, cluster } = await start(t, "first");
  await cluster.processes.get("dead-letters")?.stop();
  await nats.kill("SIGKILL");
  const stopped = cluster.start("dead-letters");
  const rejected = assert.rejects(stopped, /ended \((0|SIGTERM)\) before it was ready/);
  await sleep(1500);
  process.kill(Number(readFileSync(join(folder, "first", "pid-dead-letters"), "utf8")), "SIGTERM");
  await rejected;
  const starting = cluster.start("dead-letters");
  await sleep(1500);
  await nats.start();
  await starting;
  await t.waitFor(async () => assert.equal((await fetch(`${cluster.urls["http"]}/health/ready`)).status, 200), WAIT);
});

test("user, password and TLS are those of the URL; with a wrong password nothing is let in", {
  timeout: 60_000,
}, async (t) => {
  const { certFile, keyFile } = makeCertificate(folder);
  const nats = await startNats({
    config: [
      `authorization { user: platform, password: "s3cret/@" }`,
      `tls { cert_file: "${certFile}", key_file: "${keyFile}" }`,
    ],
  });
  t.after(() => nats.kill());
  const url = (password: string) => `tls://platform:${encodeURIComponent(password)}@localhost:${nats.port}`;
  const env = { TRANSPORTER_CA_FILE: certFile };
  const right = { ...nats, url: url("s3cret/@") };
  const processes = { gateway: "gateway", "device-registry": "device-registry" };
  const cluster = await startCluster({
    shape: "nats",
    dataDir: join(folder, "tls"),
    nats: right,
    env,
    processes,
    wholly: false,
  });
  t.after(() => cluster.kill());
  await t.waitFor(async () => assert.equal((await fetch(`${cluster.urls["http"]}/v1/devices`)).status, 200), WAIT);
  const wrong = { ...nats, url: url("wrong") };
  await assert.rejects(
    startCluster({ shape: "nats", dataDir: join(folder, "wrong"), nats: wrong, env, processes, readyMs: 3000 }),
    /Authorization Violation/i,
  );
});
