import assert from "node:assert/strict";
import { test } from "node:test";
import type { AuditEvent } from "../../schemas/audit.ts";
import { command } from "../support/command.ts";
import { type Platform, startPlatform } from "../support/platform.ts";
import { restClient } from "../support/rest.ts";

const WAIT = { timeout: 15_000 };

const events = async ({ http }: Platform, query = ""): Promise<AuditEvent[]> =>
  ((await restClient(http).request("GET", `/v1/audit?limit=1000${query}`)) as { items: AuditEvent[] }).items;

test("administrative acts are recorded with what they made and how they ended; what is only read or measured is not", async (t) => {
  const platform = await startPlatform();
  t.after(() => platform.kill());
  const rest = restClient(platform.http);
  await rest.register("d1");
  const credential = (await rest.request("POST", "/v1/devices/d1/credentials")) as { credentialId: string };
  await rest.request("POST", "/v1/devices/d1/readings", { readings: [{ values: { a: 1 } }] });
  await rest.request("GET", "/v1/devices/d1");
  await assert.rejects(rest.request("POST", "/v1/devices", { id: "d1" }), { status: 409 });
  await assert.rejects(rest.request("PUT", "/v1/devices/d1/config", { config: 1 }), { status: 422 });
  await rest.request("DELETE", "/v1/devices/d1?readings=delete");
  const expected = [
    ["device-registry.register", "/v1/devices/d1", "success", undefined],
    ["device-registry.issueCredential", `/v1/devices/d1/credentials/${credential.credentialId}`, "success", undefined],
    ["device-registry.register", "/v1/devices", "failure", "DEVICE_EXISTS"],
    ["device-registry.putConfig", "/v1/devices/d1/config", "failure", "VALIDATION_ERROR"],
    ["device-registry.delete", "/v1/devices/d1", "success", undefined],
  ];
  await t.waitFor(
    async () =>
      assert.deepEqual(
        (await events(platform))
          .reverse()
          .map(({ action, target, outcome, reason }) => [action, target, outcome, reason]),
        expected,
      ),
    WAIT,
  );
  const [last] = await events(platform);
  assert.deepEqual(last?.actor, { type: "anonymous" });
  assert.match(last?.requestId ?? "", /^[0-9a-f-]{36}$/);
  assert.match(last?.address ?? "", /127\.0\.0\.1$/);

  const env = { DATA_DIR: platform.dataDir };
  const { seq, hash } = (await rest.request("GET", "/v1/audit/head")) as { seq: number; hash: string };
  const good = await command("audit-verify", ["--head", `default=${seq}:${hash}`], env);
  assert.deepEqual([good.code, good.stdout], [0, `default: 5 events, good up to default=${seq}:${hash}\n`]);
  const cut = await command("audit-verify", ["--head", `default=6:${hash}`], env);
  assert.equal(cut.code, 1);
  assert.match(cut.stderr, /default: event 6 with hash .* is not there/);
});

test("an act that was answered is recorded, whenever the platform is killed", async (t) => {
  let platform = await startPlatform();
  const { dataDir } = platform;
  const answered: string[] = [];
  for (let round = 0; round < 3; round++) {
    if (round > 0) platform = await startPlatform({ dataDir });
    const { http, kill } = { http: platform.http, kill: () => platform.kill() };
    t.after(kill);
    const register = async (id: string) => {
      await restClient(http).register(id);
      answered.push(`/v1/devices/${id}`);
    };
    const running = Array.from({ length: 60 }, (_, n) => register(`d${round}-${n}`).catch(() => {}));
    await t.waitFor(() => assert.ok(answered.length >= round * 60 + 10 || answered.length > round * 20 + 20), WAIT);
    await kill();
    await Promise.all(running);
  }
  platform = await startPlatform({ dataDir });
  assert.ok(answered.length > 30);
  await t.waitFor(async () => {
    const recorded = new Set((await events(platform, "&action=device-registry.register")).map(({ target }) => target));
    assert.deepEqual(
      answered.filter((target) => !recorded.has(target)),
      [],
    );
  }, WAIT);
  await platform.stop();
});
