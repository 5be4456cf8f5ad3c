import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import mqtt from "mqtt";
import { failingStart } from "../support/failing-start.ts";
import { startPlatform } from "../support/platform.ts";
import { restClient } from "../support/rest.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "ganglion-e2e-"));
after(() => rmSync(folder, { recursive: true }));

const failing = (env: Record<string, string>) => failingStart({ DATA_DIR: join(folder, "failing"), ...env });

test("npm start prints the ready line with every address, and each of them answers", async () => {
  const platform = await startPlatform();
  try {
    assert.match(platform.http, /^http:\/\/127\.0\.0\.1:\d+$/);
    assert.match(platform.mqtt, /^mqtt:\/\/127\.0\.0\.1:\d+$/);
    assert.match(platform.ws, /^ws:\/\/127\.0\.0\.1:\d+$/);
    const ready = await fetch(`${platform.http}/health/ready`);
    assert.equal(ready.status, 200);
    const rest = restClient(platform.http);
    await rest.register("d");
    const password = await rest.credential("d");
    for (const url of [platform.mqtt, platform.ws]) {
      const client = await mqtt.connectAsync(url, { username: "d", password, reconnectPeriod: 0 });
      await client.endAsync();
    }
  } finally {
    await platform.stop();
  }
});

test("a port in use is one line naming it, exit code 1", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  for (const name of ["HTTP_PORT", "MQTT_PORT", "MQTT_WS_PORT"]) {
    const { code, lines } = await failing({ [name]: String(port) });
    assert.equal(code, 1);
    assert.equal(lines.length, 1, lines.join("\n"));
    assert.match(lines[0] as string, new RegExp(`${name}.*\\b${port}\\b.*in use`));
  }
  server.close();
});

test("a data folder in use is one line naming it, exit code 1", async () => {
  const platform = await startPlatform();
  try {
    const { code, lines } = await failing({ DATA_DIR: platform.dataDir });
    assert.equal(code, 1);
    assert.equal(lines.length, 1, lines.join("\n"));
    assert.ok(lines[0]?.includes(`${platform.dataDir} is in use by process ${platform.pid}`), lines[0]);
  } finally {
    await platform.stop();
  }
});

test("wrong variables are one line naming each, exit code 1", async () => {
  const { code, lines } = await failing({ HTTP_PORT: "x", DATADIR: "y", HOST: "0.0.0.0" });
  assert.equal(code, 1);
  assert.equal(lines.length, 1, lines.join("\n"));
  for (const name of ["HTTP_PORT", "DATADIR", "HOST"]) assert.ok(lines[0]?.includes(name), lines[0]);
});

test("a host beyond loopback is refused; INSECURE_LISTEN=1 allows it and warns at every start", async () => {
  const { code, lines } = await failing({ HOST: "0.0.0.0" });
  assert.equal(code, 1);
  assert.match(lines.join("\n"), /HOST.*INSECURE_LISTEN/);
  for (let start = 0; start < 2; start++) {
    const platform = await startPlatform({ env: { HOST: "0.0.0.0", INSECURE_LISTEN: "1", LOG_LEVEL: "warn" } });
    await platform.stop();
    assert.match(platform.output(), /INSECURE_LISTEN/);
  }
});

test("SIGTERM to npm start ends the platform too, and frees its folder", async () => {
  const dataDir = join(folder, "by-npm");
  const env = { ...process.env, HTTP_PORT: "0", MQTT_PORT: "0", MQTT_WS_PORT: "0", LOG_LEVEL: "error" };
  const npm = spawn("npm", ["start", "--silent"], {
    cwd: root,
    env: { ...env, DATA_DIR: dataDir },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  npm.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  const closed = once(npm.stdout, "close");
  while (!/^ready /m.test(output)) await once(npm.stdout, "data");
  npm.kill("SIGTERM");
  // Every process that has the pipe has ended.
  await closed;
  const next = await startPlatform({ dataDir });
  await next.stop();
});

test("the platform runs on the Node that the project brings", async () => {
  const platform = await startPlatform();
  try {
    const metrics = await (await fetch(`${platform.http}/metrics`)).text();
    assert.match(metrics, /process_versions_node\{[^}]*value="24\./);
  } finally {
    await platform.stop();
  }
});

test("every service runs, and answers from the outside", async () => {
  const platform = await startPlatform();
  try {
    const metrics = await (await fetch(`${platform.http}/metrics`)).text();
    for (const name of [
      "gateway",
      "device-registry",
      "telemetry",
      "telemetry-store",
      "rejected-messages",
      "mqtt-bridge",
    ])
      assert.match(metrics, new RegExp(`service="${name}"`), `${name} runs`);
  } finally {
    await platform.stop();
  }
});

test("SIGTERM under load drains and ends with code 0 within 5 s; what was acknowledged is stored", async () => {
  const first = await startPlatform();
  const rest = restClient(first.http);
  await rest.register("loaded");
  const password = await rest.credential("loaded");
  const client = await mqtt.connectAsync(first.mqtt, { username: "loaded", password, reconnectPeriod: 0 });
  client.on("error", () => {});
  const acknowledged = new Set<number>();
  let n = 0;
  const pump = setInterval(() => {
    for (let i = 0; i < 50; i++) {
      const mine = n++;
      client.publish(
        "devices/me/telemetry",
        JSON.stringify({ ts: 1_700_000_000_000 + mine, values: { n: mine } }),
        { qos: 1 },
        (error) => {
          if (!error) acknowledged.add(mine);
        },
      );
    }
  }, 5);
  while (acknowledged.size < 2000) await new Promise((resolve) => setTimeout(resolve, 10));
  const begun = performance.now();
  const { code } = await first.stop();
  const ms = performance.now() - begun;
  clearInterval(pump);
  client.end(true);
  assert.equal(code, 0);
  assert.ok(ms < 5000, `ended after ${ms} ms`);
  const second = await startPlatform({ dataDir: first.dataDir });
  try {
    const stored = new Set(
      (await restClient(second.http).readings("loaded")).map(({ values }) => values["n"] as number),
    );
    const lost = [...acknowledged].filter((one) => !stored.has(one));
    assert.deepEqual(lost, []);
    assert.ok(acknowledged.size >= 2000);
  } finally {
    await second.stop();
  }
});
