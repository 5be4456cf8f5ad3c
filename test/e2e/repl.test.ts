import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import mqtt from "mqtt";
import { consoleSocketOf } from "../../lib/console/socket-path.ts";
import { command } from "../support/command.ts";
import { type Platform, startPlatform } from "../support/platform.ts";
import { restClient } from "../support/rest.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const WAIT = { timeout: 20_000, interval: 50 };

let platform: Platform;
let password: string;
before(async () => {
  platform = await startPlatform();
  const rest = restClient(platform.http);
  await rest.register("boiler-7");
  password = await rest.credential("boiler-7");
});
after(() => platform.stop());

const attached = (input: string) => command("repl", [], { DATA_DIR: platform.dataDir }, input);

async function publish(payload: string) {
  const client = await mqtt.connectAsync(platform.mqtt, { username: "boiler-7", password, reconnectPeriod: 0 });
  await client.publishAsync("devices/me/telemetry", payload, { qos: 1 });
  await client.endAsync();
}

/** A process that is talked to line by line, without a terminal. */
function conversation(t: TestContext, env: Record<string, string>) {
  const child = spawn(process.execPath, ["bin/repl.ts"], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  const ended = once(child, "close") as Promise<[number | null]>;
  t.after(() => child.kill("SIGKILL"));
  return {
    say: (line: string) => child.stdin.write(`${line}\n`),
    hears: (pattern: RegExp) => t.waitFor(() => assert.match(said, pattern), WAIT),
    ended,
  };
}

test("attached, lines are done one after the other, the end of input waits for the last, and the exit code is 0", async () => {
  const { code, stdout, stderr } = await attached("devices\ndevices --limit 1\nhelp\n");
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /^boiler-7 .*\n1 devices\nboiler-7 .*\n1 devices\ndevices .*\n[\s\S]*replay CHANNEL GROUP FROM/);
});

test("a command that fails says why on standard error, the next ones are done, and the exit code is 1", async () => {
  const { code, stdout, stderr } = await attached(
    "nonsense\ndevices --limit x\ntail\ntail no-such-device\nreplay telemetry.received nobody 1\nreplay telemetry.received store yesterday\ndevices\n",
  );
  assert.equal(code, 1);
  assert.deepEqual(stderr.trim().split("\n"), [
    "error: unknown command 'nonsense'; help lists them",
    "error: --limit: must be an integer from 1 to 1000",
    "error: usage: tail DEVICE [--count N] [--seconds S] [--tenant ID]",
    "error: Device 'no-such-device' not found.",
    "error: Group 'nobody' has never consumed channel 'telemetry.received'.",
    "error: FROM: must be a position, or an RFC 3339 date and time, such as 2026-01-01T00:00:00Z",
  ]);
  assert.match(stdout, /1 devices/);
});

test("tail shows what a device sends, as it is stored, and ends after as many messages as were asked for", async (t) => {
  const repl = conversation(t, { DATA_DIR: platform.dataDir });
  // Two messages, and before and after them what the connections do.
  repl.say("tail boiler-7 --count 5");
  await repl.hears(/tail of default\/boiler-7/);
  await publish('{"temperature":21.5}');
  await repl.hears(/telemetry\.received \{.*"temperature":21\.5/);
  await publish('{"temperature":{}}');
  await repl.hears(/telemetry\.rejected \{/);
  await repl.hears(/5 messages/);
  repl.say("exit");
  assert.deepEqual((await repl.ended)[0], 0);
});

test("replay lets a group take the channel again: nothing is stored twice, and the store sees the duplicates", async (t) => {
  await publish('{"ts":1700000000000,"values":{"t":1}}');
  const rest = restClient(platform.http);
  const stored = async () => (await rest.readings("boiler-7")).length;
  await t.waitFor(
    async () => assert.equal((await rest.readings("boiler-7", { to: "2024-01-01T00:00:00Z" })).length, 1),
    WAIT,
  );
  const before = await stored();
  for (const from of ["1", "2020-01-01T00:00:00Z"]) {
    const { code, stdout, stderr } = await attached(`replay telemetry.received store ${from}\n`);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^store of telemetry\.received: was at \d+, goes on at 1$/m);
  }
  await t.waitFor(async () => {
    const metrics = await (await fetch(`${platform.http}/metrics`)).text();
    assert.ok(Number(/^telemetry_store_duplicates\S* (\d+)/m.exec(metrics)?.[1]) >= before, "replayed");
  }, WAIT);
  assert.equal(await stored(), before);
});

test("dead lists dead letters", async () => {
  const { code, stdout, stderr } = await attached("dead\ndead telemetry.received --limit 1\n");
  assert.deepEqual([code, stdout, stderr], [0, "0 dead letters\n0 dead letters\n", ""]);
});

test("the socket is for the platform's own user only, and a fifth connection is closed", async (t) => {
  const path = join(platform.dataDir, "repl.sock");
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const sockets = Array.from({ length: 5 }, () => connect(path));
  t.after(() => sockets.forEach((socket) => void socket.destroy()));
  const closed = await Promise.race(sockets.map((socket, i) => once(socket, "close").then(() => i)));
  assert.equal(closed, 4);
});

test("a line that never ends closes its connection, and harms nobody", async () => {
  const socket = connect(join(platform.dataDir, "repl.sock"));
  socket.on("error", () => {});
  const closed = once(socket, "close");
  for (let i = 0; i < 10 && !socket.destroyed; i++) {
    socket.write("x".repeat(1000));
    await sleep(5);
  }
  await closed;
  assert.equal((await attached("devices\n")).code, 0);
});

test("who is attached learns that the platform has ended; the next start finds the folder free", async (t) => {
  const first = await startPlatform();
  const repl = conversation(t, { DATA_DIR: first.dataDir });
  repl.say("devices");
  await repl.hears(/0 devices/);
  await first.kill("SIGKILL");
  assert.equal((await repl.ended)[0], 1);
  await repl.hears(/error: the platform has ended/);
  assert.ok(existsSync(join(first.dataDir, "repl.sock")));
  const second = await startPlatform({ dataDir: first.dataDir });
  const { code } = await command("repl", [], { DATA_DIR: second.dataDir }, "devices\n");
  assert.equal((await second.stop()).code, 0);
  assert.equal(code, 0);
});

test("where nothing runs the platform is started with Moleculer's REPL, which has our commands too; exit stops it", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-repl-"));
  t.after(() => rmSync(folder, { recursive: true }));
  // Moleculer's REPL runs lines at once and ends with its input: each line waits for the answer before. HOME takes its history.
  const ports = { HTTP_PORT: "0", MQTT_PORT: "0", MQTT_WS_PORT: "0" };
  const repl = conversation(t, { DATA_DIR: join(folder, "data"), HOME: folder, USERPROFILE: folder, ...ports });
  await repl.hears(/^ready http:/m);
  repl.say("devices");
  await repl.hears(/0 devices/);
  repl.say("replay telemetry.received store 1");
  await repl.hears(/store of telemetry\.received: was at 1, goes on at 1/);
  repl.say("tail nobody");
  await repl.hears(/error: Device 'nobody' not found\./);
  repl.say("call device-registry.register --id pump-1");
  await repl.hears(/pump-1/);
  repl.say("devices --limit 1");
  await repl.hears(/1 devices/);
  repl.say("exit");
  assert.equal((await repl.ended)[0], 0);
});

test("a client that goes without reading what it asked for takes nothing with it", async (t) => {
  const platform = await startPlatform();
  t.after(() => platform.kill());
  for (let n = 0; n < 3; n++) {
    const client = connect(consoleSocketOf(platform.dataDir));
    await once(client, "connect");
    client.pause();
    // More than Node reads ahead.
    client.write("help\n".repeat(1000));
    await sleep(300);
    // What it has not read makes this a reset for the other side.
    client.destroy();
  }
  await sleep(200);
  assert.equal((await fetch(`${platform.http}/health/ready`)).status, 200);
});
