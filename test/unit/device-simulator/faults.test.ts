import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { FaultCounts } from "../../../clients/device-simulator/faults.ts";
import { type StandInOptions, standIn } from "./stand-in.ts";

const script = fileURLToPath(new URL("../../../clients/device-simulator/simulate.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "ganglion-faults-"));
after(() => rmSync(folder, { recursive: true }));

const DEVICES = 3;
const MESSAGES = 120;
const FIRST = 1_700_000_000;
const textOf = (n: number, seconds = FIRST + n) => `{"ts":${seconds},"values":{"n":${n}}}`;
const recording = join(folder, "recording.jsonl");
writeFileSync(
  recording,
  Array.from({ length: MESSAGES }, (_, n) => `{"deviceId":"d${n % DEVICES}",${textOf(n).slice(1)}\n`).join(""),
);

/** Replays the recording against a stand-in; what was acknowledged is in `recorded`. */
async function replay(options: StandInOptions, ...args: string[]) {
  const platform = await standIn(options);
  const record = join(folder, `acknowledged-${performance.now()}.jsonl`);
  const child = spawn(
    process.execPath,
    [
      ...[script, "--url", platform.url, "--mqtt", platform.mqtt, "--replay", recording, "--speed", "max"],
      ...["--report", "--record", record, ...args],
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  await platform.close();
  assert.equal(code, 0, stderr);
  const report = JSON.parse(stdout.trim().split("\n").at(-1) as string) as {
    sent: number;
    acknowledged: number;
    reconnects: number;
    resent: number;
    faults: FaultCounts;
  };
  return { ...platform, report, stdout, recorded: readFileSync(record, "utf8").trim().split("\n") };
}

const ALL = "loss-of-connection=0.05,duplicates=0.1,reordering=0.2,clock-skew=5s,slow-reader=0.4";
const wireOf = ({ wire }: { wire: Map<string, string[]> }) => Object.fromEntries([...wire].sort());

for (const version of ["4", "5"])
  test(`the same seed gives the same packets and breaks, byte for byte, another seed others (MQTT ${version})`, async () => {
    const [first, again, other] = await Promise.all(
      ["7", "7", "8"].map((seed) => replay({}, "--fault", ALL, "--seed", seed, "--version", version)),
    );
    assert.ok(first && again && other);
    assert.deepEqual(wireOf(again), wireOf(first));
    assert.deepEqual(again.report.faults, first.report.faults);
    assert.notDeepEqual(wireOf(other), wireOf(first));
    for (const { report, recorded } of [first, again, other]) {
      assert.equal(report.sent, MESSAGES);
      assert.equal(report.acknowledged, MESSAGES);
      assert.equal(recorded.length, MESSAGES);
      assert.ok(report.faults.lossesOfConnection > 0);
    }
  });

test("when acknowledgements come changes neither packets nor breaks", async () => {
  const options = ["--fault", ALL, "--seed", "3", "--inflight", "10"];
  const late: StandInOptions["puback"] = (_message, count) => {
    const until = performance.now() + (count % 7);
    while (performance.now() < until);
    return 0;
  };
  const [prompt, slow] = await Promise.all([replay({}, ...options), replay({ puback: late }, ...options)]);
  assert.deepEqual(wireOf(slow), wireOf(prompt));
});

test("a loss ends the connection in the middle of a packet, without DISCONNECT, and what it took is sent again first", async () => {
  const run = await replay({}, "--fault", "loss-of-connection=0.05", "--seed", "2");
  const { lossesOfConnection } = run.report.faults;
  assert.ok(lossesOfConnection > 0);
  const all = [...run.wire.values()];
  const connects = all.flat().filter((what) => what === "connect").length;
  assert.equal(connects, DEVICES + lossesOfConnection);
  assert.equal(run.report.reconnects, lossesOfConnection);
  for (const packets of all) {
    const connections = packets.join("\n").split(/closed after \d+ bytes\n?/);
    assert.equal(connections.pop(), "");
    for (const [index, connection] of connections.entries())
      assert.equal(connection.includes("disconnect"), index === connections.length - 1, connection);
    // Once each, and the earlier before the later, read from the end.
    const texts = packets.filter((what) => what.startsWith("{"));
    assert.ok(texts.length > MESSAGES / DEVICES, "some were sent again");
    const last = [...new Set(texts.toReversed())].reverse();
    const ns = last.map((text) => JSON.parse(text).values.n as number);
    assert.equal(ns.length, MESSAGES / DEVICES);
    assert.deepEqual(
      ns,
      ns.toSorted((a, b) => a - b),
    );
  }
});

test("a part of a packet is left at the end of some broken connection", async () => {
  const run = await replay({}, "--fault", "loss-of-connection=0.2", "--seed", "1", "--version", "4");
  const packetBytes = (text: string) => 2 + 2 + "devices/d0/telemetry".length + 2 + text.length;
  let partial = 0;
  for (const [id, packets] of run.wire) {
    let whole = 0;
    for (const what of packets) {
      const [, bytes] = /^closed after (\d+) bytes$/.exec(what) ?? [];
      if (bytes !== undefined) {
        const rest = Number(bytes) - whole;
        assert.ok(rest >= 0 && rest < packetBytes(textOf(100)), `${id}: ${rest} bytes beyond whole packets`);
        if (rest > 0) partial++;
        whole = 0;
      } else if (what === "connect") whole += 2 + 10 + (2 + 2) * 2 + 2 + `secret of ${id}`.length;
      else whole += what === "disconnect" ? 2 : packetBytes(what);
    }
  }
  assert.ok(partial > 0);
});

test("a duplicate is the same message once more, after the first, and counts as no message", async () => {
  const run = await replay({}, "--fault", "duplicates=0.3", "--seed", "4");
  const { duplicates } = run.report.faults;
  assert.ok(duplicates > 0);
  assert.equal(run.published.length, MESSAGES + duplicates);
  assert.equal(run.report.acknowledged, MESSAGES);
  const times = Map.groupBy(run.published, ({ text }) => text);
  assert.equal(times.size, MESSAGES);
  assert.equal([...times.values()].filter(({ length }) => length === 2).length, duplicates);
});

test("a reordered message comes after up to five later ones, with its own time", async () => {
  const run = await replay({}, "--fault", "reordering=0.3", "--seed", "4");
  assert.ok(run.report.faults.reordered > 0);
  const texts = run.published.map(({ text }) => text);
  assert.deepEqual(texts.toSorted(), Array.from({ length: MESSAGES }, (_, n) => textOf(n)).sort());
  let late = 0;
  for (const messages of Map.groupBy(run.published, ({ deviceId }) => deviceId).values()) {
    const ns = messages.map(({ payload }) => Number(payload.values["n"]));
    for (const [index, n] of ns.entries()) {
      const overtakenBy = ns.slice(0, index).filter((other) => other > n).length;
      assert.ok(overtakenBy <= 5 + ns.length * 0.3, `${n} was overtaken by ${overtakenBy}`);
      if (overtakenBy > 0) late++;
    }
  }
  assert.ok(late > 0);
});

test("a wrong clock is wrong by the same for all messages of a device, within the bound", async () => {
  const run = await replay({}, "--fault", "clock-skew=5s", "--seed", "4");
  assert.equal(run.report.faults.skewedDevices, DEVICES);
  const skews = new Map<string, Set<number>>();
  for (const { deviceId, payload } of run.published) {
    const skewMs = Date.parse(payload.ts as string) - (FIRST + Number(payload.values["n"])) * 1000;
    assert.ok(Math.abs(skewMs) <= 5000, `${skewMs}`);
    skews.set(deviceId, (skews.get(deviceId) ?? new Set()).add(skewMs));
  }
  assert.deepEqual(
    [...skews.values()].map(({ size }) => size),
    [1, 1, 1],
  );
  assert.ok(new Set([...skews.values()].flatMap((skew) => [...skew])).size > 1, "clocks differ");
});

test("a slow reader leaves its answers waiting and gets all of them in the end", async () => {
  const run = await replay({}, "--fault", "slow-reader", "--inflight", "20");
  assert.equal(run.report.faults.slowReaders, DEVICES);
  assert.equal(run.report.acknowledged, MESSAGES);
  // 40 messages of a device at 20 in flight are two looks at the socket at least.
  assert.ok((run.report as unknown as { seconds: number }).seconds >= 0.9);
});

test("a share of one fault does not move what another does", async () => {
  const lossesOf = async (fault: string) => {
    const { wire } = await replay({}, "--fault", fault, "--seed", "5");
    return Object.fromEntries(
      [...wire].sort().map(([id, all]) => [id, all.filter((what) => what === "connect").length]),
    );
  };
  const [alone, beside] = await Promise.all([
    lossesOf("loss-of-connection=0.05"),
    lossesOf("loss-of-connection=0.05,clock-skew=1m,duplicates=0"),
  ]);
  assert.deepEqual(beside, alone);
});

test("the line that closes the run says what was done", async () => {
  const { stdout } = await replay({}, "--fault", "duplicates=1");
  assert.match(stdout, /; 0 losses of connection, 120 duplicates, 0 reordered, 0 clocks wrong, 0 slow readers\n/);
});

test("a wrong fault is one line naming it, exit code 1", async () => {
  const cases: [string[], RegExp][] = [
    [["--fault", "gremlins=1"], /--fault 'gremlins' is none of loss-of-connection, duplicates/],
    [["--fault", "duplicates"], /--fault duplicates must be a share from 0 to 1/],
    [["--fault", "duplicates=1.5"], /--fault duplicates must be a share from 0 to 1, as in .* is "1.5"/],
    [["--fault", "clock-skew=5"], /--fault clock-skew must be a duration .* is "5"/],
    [["--fault", "clock-skew=99999h"], /--fault clock-skew must be a duration/],
    [["--fault", "duplicates=0.1,duplicates=0.2"], /--fault duplicates is given twice/],
    [["--replay", recording, "--seed", "1"], /--seed goes with --replay only where there is --fault/],
    [["--record", join(folder, "no", "such"), "--count", "1"], /no platform answers|cannot be written/],
  ];
  for (const [args, message] of cases) {
    const child = spawn(process.execPath, [script, "--url", "http://127.0.0.1:1", ...args], { stdio: "pipe" });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const code = await new Promise((resolve) => child.once("close", resolve));
    assert.equal(code, 1);
    assert.match(stderr, message);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
  }
});
