import assert from "node:assert/strict";
import { test } from "node:test";
import type { LatestValues } from "../../schemas/telemetry.ts";
import { startPlatform } from "../support/platform.ts";
import { restClient } from "../support/rest.ts";

const WAIT = { timeout: 10_000 };
/** Where the store's process starts later than the registry's, a sweep is a minute later. */
const SWEPT = { timeout: 90_000 };
const BEGIN = Date.UTC(2026, 0, 1);
const noDeletion = new URL("../support/no-deletion.ts", import.meta.url).href;

test("a deletion with its readings that cannot be done is 503, and is finished after a kill; without them they stay", {
  timeout: 150_000,
}, async (t) => {
  let platform = await startPlatform({ nodeOptions: [`--import=${noDeletion}`] });
  t.after(() => platform.kill());
  const { dataDir } = platform;
  const rest = restClient(platform.http);
  const latest = (id: string, from = rest) => from.request("GET", `/v1/devices/${id}/latest`) as Promise<LatestValues>;
  for (const id of ["refused", "hanging", "kept"]) {
    await rest.register(id);
    await rest.request("POST", `/v1/devices/${id}/readings`, { readings: [{ ts: BEGIN, values: { n: 1 } }] });
    await t.waitFor(async () => {
      assert.equal((await rest.readings(id)).length, 1);
      assert.equal((await latest(id)).metrics["n"]?.value, 1);
    }, WAIT);
  }
  await rest.request("DELETE", "/v1/devices/kept?readings=keep");
  await assert.rejects(rest.request("DELETE", "/v1/devices/refused?readings=delete"), { status: 503 });
  // In its midst when the platform is killed.
  const hanging = rest.request("DELETE", "/v1/devices/hanging?readings=delete").catch(() => "killed");
  for (const id of ["refused", "hanging"]) {
    await t.waitFor(() => assert.rejects(rest.request("GET", `/v1/devices/${id}`), { status: 404 }), WAIT);
    assert.equal((await rest.readings(id)).length, 1, "not deleted yet");
    await assert.rejects(rest.request("POST", "/v1/devices", { id }), { status: 409 });
  }
  await platform.kill();
  assert.equal(await hanging, "killed");

  platform = await startPlatform({ dataDir });
  const again = restClient(platform.http);
  for (const id of ["refused", "hanging"]) {
    await t.waitFor(() => assert.rejects(again.readings(id), { status: 404 }), SWEPT);
    await t.waitFor(() => assert.rejects(latest(id, again), { status: 404 }), WAIT);
    await t.waitFor(() => again.request("POST", "/v1/devices", { id }), WAIT);
    assert.deepEqual(await again.readings(id), []);
  }
  assert.equal((await again.readings("kept")).length, 1);
  assert.equal((await latest("kept", again)).metrics["n"]?.value, 1);
});
