import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import mqtt from "mqtt";
import { startPlatform } from "../support/platform.ts";
import { restClient } from "../support/rest.ts";

const WAIT = { timeout: 20_000 };

test("a device is connected while any of its connections is: whichever says goodbye, and across a SIGKILL", async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), "ganglion-status-"));
  t.after(() => rmSync(dataDir, { recursive: true, maxRetries: 3 }));
  const first = await startPlatform({ dataDir });
  t.after(() => first.kill());
  await restClient(first.http).register("two");
  const password = await restClient(first.http).credential("two");
  const connect = async (url: string, clientId: string) => {
    const client = await mqtt.connectAsync(url, { username: "two", password, clientId, reconnectPeriod: 0 });
    client.on("error", () => {});
    t.after(() => client.end(true));
    return client;
  };
  const is = (http: string, expected: object) =>
    t.waitFor(async () => {
      const { connection } = (await restClient(http).request("GET", "/v1/devices/two")) as { connection?: object };
      assert.partialDeepStrictEqual(connection, expected);
    }, WAIT);

  const older = await connect(first.mqtt, "a");
  await (await connect(first.mqtt, "b")).endAsync();
  await is(first.http, { sessionEpoch: 1, connected: true });
  await older.publishAsync("devices/me/telemetry", '{"n":1}', { qos: 1 });
  await connect(first.mqtt, "b");
  await is(first.http, { sessionEpoch: 3, connected: true });
  await older.endAsync();
  await is(first.http, { sessionEpoch: 3, connected: true });
  await connect(first.mqtt, "a");
  await is(first.http, { sessionEpoch: 4, connected: true });

  // Both b (3) and a (4) are there.
  await first.kill();
  const second = await startPlatform({ dataDir });
  t.after(() => second.kill());
  await is(second.http, { sessionEpoch: 4, connected: false, reason: "server" });
  const back = await connect(second.mqtt, "b");
  await is(second.http, { sessionEpoch: 5, connected: true });
  await back.endAsync();
  await is(second.http, { sessionEpoch: 5, connected: false, reason: "client" });
});
