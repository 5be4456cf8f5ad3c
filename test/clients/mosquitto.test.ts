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

/** What mosquitto_sub prints until it has `count` messages, or has waited. */
async function subscribe(
  platform: Platform,
  args: string[],
  count: number,
): Promise<{ lines: string[]; code: number }> {
  const { hostname, port } = new URL(platform.mqtt);
  const child = spawn("mosquitto_sub", ["-h", hostname, "-p", port, "-C", `${count}`, "-W", "10", ...args]);
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  const code = (await new Promise((resolve) => child.once("close", resolve))) as number;
  return { lines: stdout.split("\n").filter(Boolean), code };
}

const hook = `--import=${new URL("../ports/mqtt-edge/deliver-hook.ts", import.meta.url).href}`;

describe("mosquitto_sub", { skip }, () => {
  for (const version of ["311", "5"])
    test(`mosquitto_sub resumes its session after a kill of the platform and gets what was queued at QoS 1 and 2, MQTT ${version}`, async () => {
      let platform = await startPlatform({ nodeOptions: [hook] });
      try {
        const rest = restClient(platform.http);
        const id = `mosquitto-sub-${version}`;
        await rest.register(id);
        const secret = await rest.credential(id);
        const credential = ["-V", version, "-u", id, "-P", secret, "-i", id];
        const session = [...credential, "-c", ...(version === "5" ? ["-x", "60"] : []), "-q", "2"];
        const topics = ["-t", "devices/me/config", "-t", "devices/me/commands/#"];
        // -E: ends as soon as the subscriptions are acknowledged.
        const begun = await subscribe(platform, [...session, ...topics, "-E"], 1);
        assert.equal(begun.code, 0);
        const door = /^deliver (\S+)$/m.exec(platform.output())?.[1] as string;
        for (const [topic, text, qos] of [
          ["config", "one", 1],
          ["commands/c-1/reboot", "two", 2],
        ] as const) {
          const body = JSON.stringify({ deviceId: id, topic: `devices/${id}/${topic}`, text, qos });
          assert.equal((await fetch(door, { method: "POST", body })).status, 204);
        }
        await platform.kill("SIGKILL");
        platform = await startPlatform({ nodeOptions: [hook], dataDir: platform.dataDir });
        const { lines, code } = await subscribe(platform, [...session, ...topics, "-F", "%t %p %q"], 2);
        assert.equal(code, 0);
        assert.deepEqual(lines, ["devices/me/config one 1", "devices/me/commands/c-1/reboot two 2"]);
      } finally {
        await platform.stop();
      }
    });
});

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

  for (const version of ["311", "5"])
    test(`mosquitto_pub says how a device is and that it lives, MQTT ${version}; its will is stored when it vanishes`, async () => {
      const id = `mosquitto-status-${version}`;
      await rest.register(id);
      const secret = await rest.credential(id);
      const credential = ["-V", version, "-u", id, "-P", secret, "-i", id];
      for (const [topic, line] of [
        ["status", '{"battery":0.4}'],
        ["heartbeat", "x"],
      ] as const) {
        const { code, stderr } = await publish(platform, [...credential, "-t", `devices/me/${topic}`], [line]);
        assert.equal(code, 0, stderr);
      }
      const { hostname, port } = new URL(platform.mqtt);
      const will = ["--will-topic", "devices/me/telemetry", "--will-payload", '{"will":1}', "--will-qos", "1"];
      const args = ["-h", hostname, "-p", port, ...credential, "-t", "devices/me/telemetry", ...will, "-q", "1", "-l"];
      const child = spawn("mosquitto_pub", args);
      child.stdin.on("error", () => {});
      const stored = async (count: number) => {
        for (const deadline = Date.now() + 10_000; ; await sleep(50)) {
          const values = (await rest.readings(id)).map((reading) => reading.values);
          if (values.length >= count || Date.now() > deadline) return values;
        }
      };
      child.stdin.write('{"n":1}\n');
      assert.deepEqual(await stored(1), [{ n: 1 }]);
      child.kill("SIGKILL");
      assert.deepEqual(await stored(2), [{ n: 1 }, { will: 1 }]);
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
