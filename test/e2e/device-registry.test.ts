import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import mqtt, { type MqttClient } from "mqtt";
import { type Platform, startPlatform } from "../support/platform.ts";
import { type RestClient, restClient } from "../support/rest.ts";

let platform: Platform;
let rest: RestClient;
before(async () => {
  platform = await startPlatform();
  rest = restClient(platform.http);
});
after(() => platform.stop());

const connect = (username: string, password: string, protocolVersion: 4 | 5 = 5): Promise<MqttClient> =>
  mqtt.connectAsync(platform.mqtt, { username, password, protocolVersion, reconnectPeriod: 0 });

interface Batch {
  registered: number;
  failed: number;
  results: { line: number; status: number; deviceId?: string; code?: string }[];
}

async function batch(text: string, type = "application/x-ndjson") {
  const response = await fetch(`${platform.http}/v1/devices:batch`, {
    method: "POST",
    headers: { "content-type": type },
    body: text,
  });
  return { status: response.status, body: (await response.json()) as Batch & { code?: string } };
}

test("10,000 devices are registered by one request, in seconds; a bad line fails alone, also among them", async () => {
  const lines = Array.from({ length: 10_000 }, (_, n) => JSON.stringify({ id: `batch-${n}`, groups: ["batch"] }));
  lines[5000] = '{"id":"batch-4999"}';
  lines[7000] = "{nonsense";
  const begun = performance.now();
  const { status, body } = await batch(lines.join("\n"));
  const seconds = (performance.now() - begun) / 1000;
  assert.equal(status, 200);
  assert.deepEqual([body.registered, body.failed, body.results.length], [9998, 2, 10_000]);
  assert.partialDeepStrictEqual(
    body.results.filter((line) => line.status !== 201),
    [
      { line: 5001, status: 409, deviceId: "batch-4999", code: "DEVICE_EXISTS" },
      { line: 7001, status: 422, code: "VALIDATION_ERROR" },
    ],
  );
  assert.ok(seconds < 20, `${seconds} s`);
  assert.deepEqual(await rest.request("GET", "/v1/groups"), { items: [{ name: "batch", devices: 9998 }] });
});

test("a batch that is no NDJSON is 415, one with too many lines 413", async () => {
  assert.equal((await batch("{}", "application/json")).status, 415);
  const { status, body } = await batch('{"id":"batch-0"}\n'.repeat(10_001));
  assert.deepEqual([status, body.code], [413, "LINES_TOO_MANY"]);
});

test("lists are filtered by all that the query says", async () => {
  for (const [id, floor] of [
    ["Attic-1", "4"],
    ["attic-2", "5"],
  ])
    await rest.request("POST", "/v1/devices", { id, tags: { floor, site: "a b" } });
  const list = async (query: string) =>
    ((await rest.request("GET", `/v1/devices?${query}`)) as { items: { id: string }[] }).items.map(({ id }) => id);
  assert.deepEqual(await list("q=ATTIC&limit=5"), ["Attic-1", "attic-2"]);
  assert.deepEqual(await list("q=attic&tag=floor:4&tag=site:a%20b&status=active&connected=false"), ["Attic-1"]);
});

test("a suspended device may not connect, a resumed one may", async () => {
  await rest.register("paused");
  const secret = await rest.credential("paused");
  await rest.request("PATCH", "/v1/devices/paused", { status: "suspended" });
  for (const version of [4, 5] as const)
    await assert.rejects(connect("paused", secret, version), /Bad User ?name or Password|Not authorized/i);
  await rest.request("PATCH", "/v1/devices/paused", { status: "active" });
  await (await connect("paused", secret)).endAsync();
});

test("both credentials of a device connect it, until one is revoked", async () => {
  await rest.register("rotating");
  const [old, fresh] = [await rest.credential("rotating"), await rest.credential("rotating")];
  for (const secret of [old, fresh]) await (await connect("rotating", secret)).endAsync();
  const path = "/v1/devices/rotating/credentials";
  await assert.rejects(rest.request("POST", path), /409 .*CREDENTIALS_FULL/);
  const { items } = (await rest.request("GET", path)) as { items: { credentialId: string }[] };
  await rest.request("DELETE", `${path}/${items[0]?.credentialId}`);
  await assert.rejects(connect("rotating", old), /Bad User ?name or Password/i);
  await (await connect("rotating", fresh)).endAsync();
});

test("a reading that its device type does not allow is answered 0x99 naming the metric, and kept; the rest is stored", async (t) => {
  const typeOf = (maximum: number) => ({
    telemetrySchema: {
      type: "object",
      properties: { temperature: { type: "number", maximum } },
      required: ["temperature"],
    },
    metrics: { temperature: { unit: "Cel" } },
  });
  await rest.request("PUT", "/v1/device-types/boiler", typeOf(90));
  await rest.request("POST", "/v1/devices", { id: "typed", type: "boiler" });
  await rest.register("untyped");
  const typed = await connect("typed", await rest.credential("typed"));
  const untyped = await connect("untyped", await rest.credential("untyped"));
  const publish = (client: MqttClient, payload: unknown) =>
    client.publishAsync("devices/me/telemetry", JSON.stringify(payload), { qos: 1 });
  const refusals: unknown[] = [];
  typed.on("packetreceive", (packet) => {
    if (packet.cmd === "puback" && packet.reasonCode)
      refusals.push([packet.reasonCode, packet.properties?.reasonString]);
  });
  const refused = { code: 0x99 };

  await publish(typed, { temperature: 90 });
  await assert.rejects(publish(typed, { temperature: 91 }), refused);
  await assert.rejects(publish(typed, [{ temperature: 1 }, { humidity: 1 }]), refused);
  assert.deepEqual(refusals, [
    [0x99, "temperature: must be <= 90"],
    [0x99, "[1].temperature: is missing"],
  ]);
  await publish(untyped, { temperature: 1000 });
  await t.waitFor(
    async () => {
      assert.deepEqual(
        (await rest.rejected()).map(({ deviceId, reason }) => [deviceId, reason]),
        [
          ["typed", "[1].temperature: is missing"],
          ["typed", "temperature: must be <= 90"],
        ],
      );
      assert.deepEqual(
        (await rest.readings("typed")).map(({ values }) => values),
        [{ temperature: 90 }],
      );
      assert.equal((await rest.readings("untyped")).length, 1);
    },
    { timeout: 10_000 },
  );

  await rest.request("PUT", "/v1/device-types/boiler", typeOf(100));
  await t.waitFor(() => publish(typed, { temperature: 95 }), { timeout: 10_000 });
  await rest.request("PUT", "/v1/device-types/boiler", typeOf(80));
  await t.waitFor(() => assert.rejects(publish(typed, { temperature: 85 }), refused), { timeout: 10_000 });
  await Promise.all([typed.endAsync(), untyped.endAsync()]);
  await assert.rejects(rest.request("DELETE", "/v1/device-types/boiler"), /409 .*DEVICE_TYPE_IN_USE/);
  await rest.request("DELETE", "/v1/devices/typed");
  await rest.request("DELETE", "/v1/device-types/boiler");
});

test("types, configuration and settings are put and got, and survive a restart", async () => {
  await rest.register("lasting");
  const before = {
    type: await rest.request("PUT", "/v1/device-types/lasting", { retentionDays: 3 }),
    config: await rest.request("PUT", "/v1/devices/lasting/config", { config: { "a.b": [1] } }),
    settings: await rest.request("PUT", "/v1/settings", { retentionDays: 30 }),
  };
  const { dataDir, addresses } = platform;
  await platform.stop();
  platform = await startPlatform({ dataDir, env: addresses });
  assert.deepEqual(
    {
      type: await rest.request("GET", "/v1/device-types/lasting"),
      config: await rest.request("GET", "/v1/devices/lasting/config"),
      settings: await rest.request("GET", "/v1/settings"),
    },
    before,
  );
});
