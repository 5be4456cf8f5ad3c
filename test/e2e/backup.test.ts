import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import mqtt from "mqtt";
import type { BackupManifest } from "../../lib/backup-manifest.ts";
import { command } from "../support/command.ts";
import { type Platform, startPlatform } from "../support/platform.ts";
import { type RecordedMessage, recordedMessages } from "../support/recording.ts";
import { unless } from "../support/requirements.ts";
import { restClient } from "../support/rest.ts";

function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-backup-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

const backUp = (dataDir: string, folder: string) => command("backup", [folder], { DATA_DIR: dataDir });
const restore = (dataDir: string, ...args: string[]) => command("restore", args, { DATA_DIR: dataDir });
const manifestOf = (folder: string) =>
  JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as BackupManifest;
const textOf = ({ ts, data }: RecordedMessage) => JSON.stringify({ ts, values: data });
const keyOf = (micros: number, values: object) => `${micros} ${JSON.stringify(Object.entries(values).sort())}`;

/** Publishes the recording, each device's messages in order, some at a time; notes what is acknowledged. */
async function replay(platform: Platform, messages: readonly RecordedMessage[], stopped: AbortSignal) {
  const rest = restClient(platform.http);
  const acknowledged = new Map<string, string[]>();
  const devices = [...Map.groupBy(messages, ({ device_id }) => device_id)];
  const publishing = devices.map(async ([id, mine]) => {
    await rest.register(id);
    const password = await rest.credential(id);
    const client = await mqtt.connectAsync(platform.mqtt, { username: id, password, reconnectPeriod: 0 });
    const keys: string[] = [];
    acknowledged.set(id, keys);
    for (let at = 0; at < mine.length && !stopped.aborted; at += 50)
      await Promise.all(
        mine.slice(at, at + 50).map(async (message) => {
          await client.publishAsync("devices/me/telemetry", textOf(message), { qos: 1 });
          keys.push(keyOf(Math.round(message.ts * 1e6), message.data));
        }),
      );
    await client.endAsync();
  });
  return { acknowledged, ended: Promise.all(publishing) };
}

const micros = (instant: string) => {
  const [, fraction = ""] = /\.(\d+)Z$/.exec(instant) ?? [];
  return Date.parse(`${instant.slice(0, 19)}Z`) * 1000 + Number(fraction.padEnd(6, "0"));
};

test("a backup under load, restored elsewhere: everything that was acknowledged before it began is readable, exactly once", {
  skip: unless("recordings"),
  timeout: 120_000,
}, async (t) => {
  const [folder, dataDir] = [join(newFolder(t), "backup"), join(newFolder(t), "data")];
  const messages = recordedMessages();
  const platform = await startPlatform();
  t.after(() => platform.kill());
  const stop = new AbortController();
  const { acknowledged, ended } = await replay(platform, messages, stop.signal);
  const count = () => [...acknowledged.values()].reduce((sum, keys) => sum + keys.length, 0);
  await t.waitFor(() => assert.ok(count() > 5000), { timeout: 30_000, interval: 20 });

  const before = new Map([...acknowledged].map(([id, keys]) => [id, [...keys]]));
  const { code, stdout, stderr } = await backUp(platform.dataDir, folder);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^backup .*: \d+ files, \d+ bytes$/m);
  const [beforeCount, during] = [[...before.values()].flat().length, count()];
  assert.ok(during > beforeCount, "nothing was acknowledged while the backup was made");
  stop.abort();
  await ended;
  await platform.stop();

  const restored = await restore(dataDir, folder);
  assert.equal(restored.code, 0, restored.stderr);
  const second = await startPlatform({ dataDir });
  t.after(() => second.kill());
  const rest = restClient(second.http);
  for (const [id, expected] of before) {
    const sent = new Set(
      messages.filter((one) => one.device_id === id).map(({ ts, data }) => keyOf(Math.round(ts * 1e6), data)),
    );
    await t.waitFor(
      async () => {
        const keys = (await rest.readings(id)).map(({ ts, values }) => keyOf(micros(ts), values));
        const stored = new Set(keys);
        assert.equal(stored.size, keys.length, "none twice");
        assert.deepEqual(expected.filter((key) => !stored.has(key)).length, 0, "all that was acknowledged before");
        assert.deepEqual(keys.filter((key) => !sent.has(key)).length, 0, "none that was never sent");
      },
      { timeout: 20_000, interval: 200 },
    );
  }
  // A restored platform is a whole one: its devices still have their credentials, and new messages are taken.
  const { items } = (await rest.request("GET", "/v1/devices")) as { items: unknown[] };
  assert.equal(items.length, before.size);
});

test("the manifest has versions and checksums; the channels were copied first", async (t) => {
  const folder = join(newFolder(t), "backup");
  const platform = await startPlatform();
  t.after(() => platform.kill());
  assert.equal((await backUp(platform.dataDir, folder)).code, 0);
  const { format, files, platform: version } = manifestOf(folder);
  assert.equal(format, 1);
  assert.match(version, /^\d+\.\d+\.\d+/);
  assert.ok(files[0]?.name.startsWith("facts"));
  for (const { name, sha256, applicationId, version: schema } of files) {
    assert.match(sha256, /^[0-9a-f]{64}$/, name);
    if (name.endsWith(".db")) assert.ok(applicationId && schema, name);
  }
  assert.deepEqual(readdirSync(folder).sort(), [...files.map(({ name }) => name), "manifest.json"].sort());
});

test("a platform that does not run is backed up too; a folder in use, a folder inside DATA_DIR and an empty DATA_DIR are refused", async (t) => {
  const platform = await startPlatform();
  await platform.stop();
  const folder = join(newFolder(t), "backup");
  assert.equal((await backUp(platform.dataDir, folder)).code, 0);
  for (const [dataDir, into, why] of [
    [platform.dataDir, folder, /is not empty/],
    [platform.dataDir, join(platform.dataDir, "backup"), /is inside DATA_DIR/],
    [newFolder(t), join(newFolder(t), "b"), /holds no data/],
  ] as const) {
    const { code, stderr } = await backUp(dataDir, into);
    assert.equal(code, 1);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
    assert.match(stderr, why);
  }
  const { code, stderr } = await command("backup", []);
  assert.deepEqual([code, stderr], [1, "ganglion: usage: npm run backup -- FOLDER\n"]);
});

test("a restore is refused where a platform runs, and where the folder is not empty; --force replaces, but never under a platform", async (t) => {
  const platform = await startPlatform();
  t.after(() => platform.kill());
  const folder = join(newFolder(t), "backup");
  await restClient(platform.http).register("kept");
  assert.equal((await backUp(platform.dataDir, folder)).code, 0);
  await restClient(platform.http).register("later");
  for (const args of [[folder], [folder, "--force"]]) {
    const { code, stderr } = await restore(platform.dataDir, ...args);
    assert.equal(code, 1);
    for (const pid of platform.pids)
      assert.match(stderr, new RegExp(`is in use by process (\\d+, )*${pid}(, \\d+)*\n$`));
  }
  await platform.stop();
  const refused = await restore(platform.dataDir, folder);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /is not empty; --force replaces what it holds\n$/);
  assert.equal((await restore(platform.dataDir, folder, "--force")).code, 0);
  const second = await startPlatform({ dataDir: platform.dataDir });
  const { items } = (await restClient(second.http).request("GET", "/v1/devices")) as { items: { id: string }[] };
  await second.stop();
  assert.deepEqual(
    items.map(({ id }) => id),
    ["kept"],
  );
});

test("a backup that was changed, or is not complete, is refused before anything is replaced", async (t) => {
  const platform = await startPlatform();
  await platform.stop();
  const folder = join(newFolder(t), "backup");
  assert.equal((await backUp(platform.dataDir, folder)).code, 0);
  const untouched = readdirSync(platform.dataDir).sort();
  const refused = async (why: RegExp) => {
    const { code, stderr } = await restore(platform.dataDir, folder, "--force");
    assert.equal(code, 1);
    assert.match(stderr, why);
    assert.deepEqual(readdirSync(platform.dataDir).sort(), untouched);
  };
  const readings = readFileSync(join(folder, "readings.db"));
  appendFileSync(join(folder, "readings.db"), "x");
  await refused(/readings\.db is not what the backup wrote: its checksum differs/);
  rmSync(join(folder, "readings.db"));
  await refused(/readings\.db is missing/);
  writeFileSync(join(folder, "readings.db"), readings);
  const manifest = readFileSync(join(folder, "manifest.json"), "utf8");
  writeFileSync(join(folder, "manifest.json"), manifest.replace('"facts.db"', '"../facts.db"'));
  await refused(/manifest\.json: files\.0\.name: /);
  writeFileSync(join(folder, "manifest.json"), manifest.replace('"format": 1', '"format": 2'));
  await refused(/manifest\.json: format: /);
  rmSync(join(folder, "manifest.json"));
  await refused(/is no complete backup/);
});

test("a data folder whose restore was interrupted is refused at start, until a restore has succeeded", async (t) => {
  const platform = await startPlatform();
  await platform.stop();
  const { dataDir } = platform;
  const folder = join(newFolder(t), "backup");
  assert.equal((await backUp(dataDir, folder)).code, 0);
  mkdirSync(join(dataDir, "restoring"));
  await assert.rejects(startPlatform({ dataDir }), /is half restored; run the restore again/);
  assert.equal((await restore(dataDir, folder)).code, 0);
  assert.ok(!existsSync(join(dataDir, "restoring")));
  await (await startPlatform({ dataDir })).stop();
});
