import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { START_ARGUMENTS } from "../support/platform.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Runs the platform, sends it a few requests, and returns what it wrote, one text for each stream. */
async function said(env: Record<string, string>) {
  const dataDir = mkdtempSync(join(tmpdir(), "ganglion-log-"));
  const child = spawn(process.execPath, START_ARGUMENTS, {
    cwd: root,
    env: { ...process.env, HTTP_PORT: "0", MQTT_PORT: "0", MQTT_WS_PORT: "0", DATA_DIR: dataDir, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  const ended = once(child, "close");
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  try {
    for (const late = Date.now() + 20_000; !/^ready /m.test(stdout) && Date.now() < late; ) await sleep(20);
    const http = /^ready (\S+)/m.exec(stdout)?.[1];
    assert.ok(http, stdout + stderr);
    await fetch(`${http}/v1/devices`, {
      headers: { "x-request-id": "order-66", authorization: "Bearer not-to-be-logged" },
    });
    await fetch(`${http}/nowhere?access_token=not-to-be-logged`);
    for (const late = Date.now() + 5000; !stderr.includes("/nowhere") && Date.now() < late; ) await sleep(20);
  } finally {
    child.kill("SIGTERM");
    await ended;
    rmSync(dataDir, { recursive: true });
  }
  return { stdout, stderr, dataDir };
}

test("LOG_FORMAT=json: every line of standard error is one JSON object, requests have their id, no secret is in it; standard output is the ready line", async () => {
  const { stdout, stderr } = await said({ LOG_FORMAT: "json", LOG_LEVEL: "debug" });
  assert.match(stdout, /^ready http:\S+ mqtt:\S+ ws:\S+\n$/);
  const records = stderr
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.ok(records.length > 10);
  for (const { time, level, module, nodeID, message } of records) {
    assert.equal(new Date(String(time)).toISOString(), time);
    assert.ok(["fatal", "error", "warn", "info", "debug"].includes(String(level)));
    for (const text of [module, nodeID, message]) assert.ok(typeof text === "string" && text.length > 0);
  }
  const request = records.find(({ requestId }) => requestId === "order-66");
  assert.partialDeepStrictEqual(request, {
    ...{ level: "info", module: "gateway", message: "Request." },
    fields: { method: "GET", path: "/v1/devices", status: 200 },
  });
  assert.ok(!stderr.includes("not-to-be-logged"));
});

test("LOG_FORMAT=text: a newcomer sees where the data is and the addresses, then the ready line, and nothing of the framework", async () => {
  const { stdout, stderr, dataDir } = await said({ LOG_FORMAT: "text" });
  const lines = stdout.trim().split("\n");
  assert.ok(lines.length <= 6, stdout);
  assert.match(stdout, new RegExp(`data +${dataDir}`));
  assert.match(stdout, /REST +http:\S+/);
  assert.match(lines.at(-1) as string, /^ready /);
  const said1 = stderr.trim().split("\n");
  assert.deepEqual(
    said1.filter((line) => !/ gateway: Request\. | oauth: The key of the authorization server was made; /.test(line)),
    [],
  );
  assert.ok(
    said1.some((line) => /^\d{4}-\S+Z INFO {2}gateway: Request\. .*requestId=order-66/.test(line)),
    stderr,
  );
});

test("where no format is given and nobody sits at a terminal, the log is JSON", async () => {
  const { LOG_FORMAT: _, ...env } = process.env;
  assert.equal(env["LOG_FORMAT"], undefined);
  const { stderr } = await said({});
  for (const line of stderr.trim().split("\n")) assert.equal(typeof JSON.parse(line), "object");
});
