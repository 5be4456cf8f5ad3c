import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ServiceSchema } from "moleculer";
import { startBroker } from "../support/broker.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { startProcess } from "../support/product-process.ts";

const WAIT = { timeout: 20_000, interval: 50 };
const folder = mkdtempSync(join(tmpdir(), "ganglion-processes-"));
const dataDir = join(folder, "shared");
let cluster: Cluster;
before(async () => {
  cluster = await startCluster({ shape: "tcp", dataDir });
});
after(async () => {
  await cluster.kill();
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});

/** What a process says that refuses to start, or leaves. */
async function refusal(env: Record<string, string>): Promise<string> {
  const error = await startProcess({ env: { ...cluster.envOf("dead-letters"), ...env } }).then(
    async (one) => {
      await one.kill();
      return new Error("it started");
    },
    (thrown: Error) => thrown,
  );
  const lines = error.message.split("\n").filter((line) => line.startsWith("ganglion: "));
  assert.match(error.message, /ended \(1\)/);
  assert.equal(lines.length, 1, error.message);
  return String(lines[0]);
}

test("a process with a folder of its own has other facts than the platform, and leaves it", async () => {
  assert.match(
    await refusal({ NODE_ID: "stranger", DATA_DIR: join(folder, "own") }),
    /this process and [\w-]+ are not of one platform: its facts channel is the embedded one in .*own .*; embedded engines are shared by one DATA_DIR/,
  );
  assert.equal((await fetch(`${cluster.urls["http"]}/health/ready`)).status, 200);
});

test("a name in the folder is held by one process; without a name the folder is not shared at all", async () => {
  const { pid } = cluster.processes.get("dead-letters") as { pid: number };
  assert.match(await refusal({}), new RegExp(`NODE_ID dead-letters in DATA_DIR .* is in use by process ${pid}$`));
  assert.match(
    await refusal({ TRANSPORTER: "", NODE_ID: "", SERVICES: "" }),
    /DATA_DIR .*shared is in use by process \d+, \d+/,
  );
});

test("a second MQTT edge on the folder is refused: sessions are one edge's", async () => {
  assert.match(
    await refusal({ NODE_ID: "second-edge", SERVICES: "mqtt-bridge" }),
    /mqtt-bridge: session file .*sessions\.db is in use by another edge/,
  );
});

test("a second process of the other services shares the work, and its end is no trouble", async (t) => {
  const again = await startProcess({ env: { ...cluster.envOf("gateway"), NODE_ID: "second-gateway" } });
  await t.waitFor(async () => assert.equal((await fetch(`${again.urls["http"]}/health/ready`)).status, 200), WAIT);
  const consumers = await startProcess({ env: { ...cluster.envOf("consumers"), NODE_ID: "second-consumers" } });
  assert.equal((await consumers.stop()).code, 0);
  assert.equal((await again.stop()).code, 0);
});

test("SERVICES that names no service, and a port of TRANSPORTER in use, are one line", async () => {
  assert.match(await refusal({ SERVICES: "gatway" }), /SERVICES: no service is called gatway/);
  const { port } = new URL(String(cluster.urls["http"]));
  assert.match(
    await refusal({ NODE_ID: "x", TRANSPORTER: `tcp://127.0.0.1:${port}/x` }),
    new RegExp(`TRANSPORTER: port ${port} of 127\\.0\\.0\\.1 is already in use`),
  );
});

test("routes of a service that the gateway has no contract of come with it; while it is away they are 503", async (t) => {
  const late: ServiceSchema = {
    name: "late",
    actions: {
      greet: {
        rest: "GET /greetings/:name",
        visibility: "published",
        handler: (ctx: { params: { name: string } }) => ({ hello: ctx.params.name }),
      },
    },
  };
  const path = `${cluster.urls["http"]}/v1/greetings/you`;
  assert.equal((await fetch(path)).status, 404);
  const { TRANSPORTER } = cluster.envOf("gateway");
  const broker = await startBroker([late], { TRANSPORTER: String(TRANSPORTER), NODE_ID: "late", DATA_DIR: dataDir });
  await t.waitFor(async () => assert.deepEqual(await (await fetch(path)).json(), { hello: "you" }), WAIT);
  await broker.stop();
  await t.waitFor(async () => {
    const response = await fetch(path);
    assert.equal(response.status, 503);
    assert.ok(response.headers.has("retry-after"));
  }, WAIT);
});

test("the NATS client is loaded where NATS is the transporter, and nowhere else", async () => {
  const loaded = `--import=data:text/javascript,${encodeURIComponent(
    `import { registerHooks } from "node:module"; registerHooks({ load(url, c, next) { if (url.includes("/node_modules/nats/")) process.stderr.write("nats loaded\\n"); return next(url, c); } });`,
  )}`;
  const one = await startProcess({
    env: { ...cluster.envOf("gateway"), NODE_ID: "watched" },
    nodeOptions: [loaded],
  });
  await one.stop();
  assert.doesNotMatch(one.output(), /nats loaded/);
  const { output } = await startProcess({
    env: { ...cluster.envOf("gateway"), NODE_ID: "watched", TRANSPORTER: "nats://127.0.0.1:1" },
    nodeOptions: [loaded],
    readyMs: 3000,
  }).then(
    () => ({ output: "it started" }),
    (error: Error) => ({ output: error.message }),
  );
  assert.match(output, /nats loaded/);
});
