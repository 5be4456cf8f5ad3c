import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort } from "../support/engines/process.ts";
import { mosquittoPub } from "../support/mosquitto-pub.ts";
import { restClient } from "../support/rest.ts";

const WAIT = { timeout: 30_000, interval: 100 };
const root = fileURLToPath(new URL("../..", import.meta.url));

test("npm run cluster with mosquitto, as docs/cluster.md has it: mosquitto takes up accounts by itself, and lets go of them", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-mqtt-deployment-"));
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  const mqttPort = await freePort();
  const args = ["bin/cluster.ts", "--without", "kafka,rabbitmq,mongo", "--profile", "external-mqtt", "--data", folder];
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: {
      ...{ ...process.env, HTTP_PORT: "0", MQTT_PORT: "0", MQTT_WS_PORT: "0", EXTERNAL_MQTT_PORT: String(mqttPort) },
      MQTT_URL: "mqtt://ganglion:PASSWORD@mosquitto:1885",
      ...{ MQTT_PASSWORD_FILE: "/accounts/passwords", MQTT_ACL_FILE: "/accounts/rules" },
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "exit");
  t.after(async () => {
    child.kill("SIGTERM");
    await ended;
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  const ready = t.waitFor(() => assert.match(output, /^ready http:/m), { timeout: 90_000, interval: 100 });
  const early = ended.then(() =>
    Promise.reject(new Error(`npm run cluster has ended; it said:\n${output}${logsIn(folder)}`)),
  );
  early.catch(() => {});
  await Promise.race([ready, early]);
  const rest = restClient(/^ready (http:\S+)/m.exec(output)?.[1] ?? "");
  await rest.register("boiler-7");
  const secret = await rest.credential("boiler-7");
  const broker = `mqtt://127.0.0.1:${mqttPort}`;
  const topic = "default/devices/boiler-7/telemetry";
  const send = () => mosquittoPub(broker, "boiler-7", secret, topic, [`{"ts":1767225600,"values":{"t":1}}`]);
  await t.waitFor(async () => assert.equal(await send(), 0), WAIT);
  await t.waitFor(async () => assert.equal((await rest.readings("boiler-7")).length, 1), WAIT);
  await rest.request("DELETE", "/v1/devices/boiler-7");
  await t.waitFor(async () => assert.notEqual(await send(), 0), WAIT);
});

/** The last lines of every process. */
function logsIn(folder: string): string {
  return readdirSync(join(folder, "logs"))
    .map(
      (name) =>
        `${name}:\n${readFileSync(join(folder, "logs", name), "utf8")
          .split("\n")
          .slice(-8)
          .join("\n")}`,
    )
    .join("\n");
}
