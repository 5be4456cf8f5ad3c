import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Platform, startPlatform } from "../support/platform.ts";
import { unless } from "../support/requirements.ts";
import { type RestClient, restClient } from "../support/rest.ts";

const skip = unless("mosquitto");

/** Runs mosquitto_pub at QoS 1 to the platform; one message per line of its input. */
async function publish(platform: Platform, args: string[], lines: string[]) {
  const { hostname, port } = new URL(platform.mqtt);
  const child = spawn("mosquitto_pub", ["-h", hostname, "-p", port, "-q", "1", "-l", ...args]);
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.on("error", () => {});
  child.stdin.end(lines.map((line) => `${line}\n`).join(""));
  const code = await new Promise((resolve) => child.once("close", resolve));
  return { code, stderr };
}

describe("mosquitto_pub", { skip }, () => {
  let platform: Platform;
  let rest: RestClient;
  before(async () => {
    platform = await startPlatform();
    rest = restClient(platform.http);
  });
  after(() => platform?.stop());

  for (const version of ["311", "5"])
    test(`mosquitto_pub publishes 1,000 messages at QoS 1, MQTT ${version}, and REST answers them in order`, async () => {
      const id = `mosquitto-${version}`;
      await rest.register(id);
      const secret = await rest.credential(id);
      const messages = Array.from({ length: 1000 }, (_, n) => ({ ts: 1_700_000_000_000 + n, values: { n } }));
      const credential = ["-u", id, "-P", secret, "-i", id];
      const { code, stderr } = await publish(
        platform,
        ["-V", version, ...credential, "-t", `devices/${id}/telemetry`],
        messages.map((message) => JSON.stringify(message)),
      );
      assert.equal(code, 0, stderr);
      let readings = await rest.readings(id);
      for (const deadline = Date.now() + 10_000; readings.length < 1000 && Date.now() < deadline; await sleep(50))
        readings = await rest.readings(id);
      assert.deepEqual(
        readings.map(({ ts, values }) => [Date.parse(ts), values]),
        messages.map(({ ts, values }) => [ts, values]),
      );
    });

  test("mosquitto_pub with a wrong password, without one, or as an unknown device is refused", async () => {
    await rest.register("guarded");
    await rest.credential("guarded");
    for (const version of ["311", "5"])
      for (const credential of [
        ["-u", "guarded", "-P", "wrong"],
        ["-u", "guarded"],
        [],
        ["-u", "nobody", "-P", "wrong"],
      ]) {
        const args = ["-V", version, ...credential, "-t", "devices/me/telemetry"];
        const { code, stderr } = await publish(platform, args, ['{"n":1}']);
        assert.notEqual(code, 0, `${version} ${credential.join(" ")}`);
        assert.match(stderr, /not authori[sz]ed|bad user ?name or password/i);
      }
    assert.deepEqual(await rest.readings("guarded"), []);
  });
});
