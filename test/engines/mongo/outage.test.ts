import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import mqtt from "mqtt";
import { startMongo } from "../../support/engines/mongo.ts";
import { freePort } from "../../support/engines/process.ts";
import { START_ARGUMENTS, startPlatform } from "../../support/platform.ts";
import { type RestError, restClient } from "../../support/rest.ts";

const WAIT = { timeout: 20_000, interval: 100 };
/** What is committed is on the disk: as a mongod does that is asked for j: true. */
const args = ["--sync-on-commit"];
const LIMITS = { MONGO_TIMEOUT_SECONDS: "3", MONGO_SELECTION_SECONDS: "2", LOG_LEVEL: "fatal" };

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "ganglion-mongo-outage-"));
  t.after(() => rmSync(path, { recursive: true, force: true, maxRetries: 3 }));
  return path;
}

/** Milliseconds that a request took which must be answered with 503, a problem document that tells nothing of the inside. */
async function unavailable(http: string, path: string): Promise<number> {
  const begun = performance.now();
  const response = await fetch(`${http}${path}`);
  assert.equal(response.status, 503, await response.clone().text());
  assert.match(response.headers.get("content-type") ?? "", /application\/problem\+json/);
  const { requestId, ...problem } = (await response.json()) as Record<string, unknown>;
  assert.equal(typeof requestId, "string");
  assert.deepEqual(problem, {
    type: "about:blank",
    title: "Service Unavailable",
    status: 503,
    code: "UNAVAILABLE",
    detail: "The platform cannot do this now; try again later.",
  });
  return performance.now() - begun;
}

const ready = async (http: string) => {
  const response = await fetch(`${http}/health/ready`);
  const { reasons } = (await response.json()) as { reasons?: string[] };
  return { status: response.status, reasons };
};

test("MongoDB is killed and comes back: 503 and not ready meanwhile, what is acknowledged is stored once afterwards", async (t) => {
  const storage = folder(t);
  let server = await startMongo({ storage, args });
  t.after(() => server.stop());
  const { port } = server;
  const platform = await startPlatform({ env: { ...LIMITS, MONGO_URL: server.url } });
  t.after(() => platform.kill());
  const rest = restClient(platform.http);
  await rest.register("survivor");
  const password = await rest.credential("survivor");
  const device = await mqtt.connectAsync(platform.mqtt, { username: "survivor", password, reconnectPeriod: 0 });
  t.after(() => device.end(true));
  let n = 0;
  const publish = async (count: number) => {
    for (const last = n + count; n < last; n++)
      await device.publishAsync("devices/me/telemetry", `{"ts":${1.76e12 + n},"values":{"n":${n}}}`, { qos: 1 });
  };
  for (let round = 1; round <= 2; round++) {
    await publish(50);
    // Not SIGTERM: SecantusDB then tells of itself as of no member of its set, so that the driver gives it up for good.
    server.process.signal("SIGKILL");
    await server.process.ended;
    await publish(50);
    for (const path of [
      "/v1/devices",
      "/v1/devices/survivor/readings",
      "/v1/devices/survivor/latest",
      "/v1/rejected-messages",
    ])
      assert.ok((await unavailable(platform.http, path)) < 10_000, path);
    const { status, reasons } = await ready(platform.http);
    assert.equal(status, 503);
    assert.match(String(reasons), new RegExp(`^MongoDB \\(127\\.0\\.0\\.1:${port}\\): `));
    assert.equal((await fetch(`${platform.http}/health/live`)).status, 200);

    server = await startMongo({ storage, port, args });
    await t.waitFor(async () => assert.equal((await ready(platform.http)).status, 200), WAIT);
    await t.waitFor(async () => assert.equal((await rest.readings("survivor")).length, n), WAIT);
    assert.deepEqual(
      (await rest.readings("survivor")).map(({ values }) => values["n"]),
      Array.from({ length: n }, (_, index) => index),
    );
  }
  assert.equal((await platform.stop()).code, 0);
});

test("a server that does not answer any more is 503 within the limit, and the platform stops without it", async (t) => {
  const server = await startMongo();
  t.after(() => server.stop());
  const platform = await startPlatform({ env: { ...LIMITS, MONGO_URL: server.url } });
  t.after(() => platform.kill());
  await restClient(platform.http).register("patient");
  server.process.signal("SIGSTOP");
  t.after(() => server.process.signal("SIGCONT"));
  // A read may be tried twice.
  assert.ok((await unavailable(platform.http, "/v1/devices/patient")) < 15_000);
  await t.waitFor(async () => assert.equal((await ready(platform.http)).status, 503), WAIT);
  const begun = performance.now();
  assert.equal((await platform.stop()).code, 0);
  assert.ok(performance.now() - begun < 10_000);
});

test("a start without MongoDB ends with one line that names it, and no password", async (t) => {
  const port = await freePort();
  const MONGO_URL = `mongodb://someone:s3cret@127.0.0.1:${port},127.0.0.1:${port}/other?authSource=admin`;
  const DATA_DIR = folder(t);
  const ports = { HTTP_PORT: "0", MQTT_PORT: "0", MQTT_WS_PORT: "0" };
  const env = { ...process.env, ...LIMITS, ...ports, DATA_DIR, MONGO_URL };
  const { status, stdout, stderr } = spawnSync(process.execPath, [...START_ARGUMENTS], { env, timeout: 30_000 });
  assert.equal(status, 1);
  assert.match(
    stderr.toString(),
    new RegExp(`^ganglion: [\\w-]+: MongoDB \\(127\\.0\\.0\\.1:${port}.*\\) cannot be used: .+\n$`),
  );
  assert.doesNotMatch(`${stdout}${stderr}`, /s3cret/);
});

test("a URL that is none is refused without its password", (t) => {
  const env = { ...process.env, DATA_DIR: folder(t), MONGO_URL: "mongo://someone:s3cret@host" };
  const { status, stderr } = spawnSync(process.execPath, [...START_ARGUMENTS], { env, timeout: 30_000 });
  assert.equal(status, 1);
  assert.match(
    stderr.toString(),
    /^ganglion: invalid environment: MONGO_URL: must be mongodb:\/\/… or mongodb\+srv:\/\/…/,
  );
  assert.doesNotMatch(stderr.toString(), /s3cret/);
});

test("a request for what is not there is 404 and not taken for an outage", async (t) => {
  const server = await startMongo();
  t.after(() => server.stop());
  const platform = await startPlatform({ env: { MONGO_URL: server.url } });
  t.after(() => platform.kill());
  const rest = restClient(platform.http);
  const status = (request: Promise<unknown>) => request.then(String, (error: RestError) => error.status);
  assert.equal(await status(rest.request("GET", "/v1/devices/none")), 404);
  await rest.request("POST", "/v1/devices", { id: "twice" });
  assert.equal(await status(rest.request("POST", "/v1/devices", { id: "twice" })), 409);
});
