import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { type Published, type StandInOptions, standIn } from "./stand-in.ts";

const script = fileURLToPath(new URL("../../../clients/device-simulator/simulate.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "ganglion-simulator-"));
after(() => rmSync(folder, { recursive: true }));

function start(...args: string[]) {
  const child = spawn(process.execPath, [script, ...args], { stdio: ["pipe", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) =>
    child.once("close", (code) => resolve({ code, stdout, stderr })),
  );
  return { child, ended };
}

/** Runs it against a stand-in until it ends. */
async function simulate(options: StandInOptions, ...args: string[]) {
  const platform = await standIn(options);
  const run = start("--url", platform.url, "--mqtt", platform.mqtt, "--report", ...args);
  run.child.stdin.end();
  const { code, stdout, stderr } = await run.ended;
  await platform.close();
  const report =
    stdout.startsWith("{") || stdout.includes("\n{") ? JSON.parse(stdout.trim().split("\n").at(-1) as string) : {};
  return { ...platform, code, stdout, stderr, report };
}

test("a device that has two credentials gets a new one in place of the older", async () => {
  const asked: string[] = [];
  const run = await simulate(
    {
      rest({ method, url }, response) {
        if (!url?.includes("/credentials")) return false;
        asked.push(`${method} ${url}`);
        const full = !asked.some((one) => one.startsWith("DELETE"));
        if (method === "POST" && !full) return false;
        if (method === "POST") response.writeHead(409).end('{"code":"CREDENTIALS_FULL"}');
        if (method === "GET") response.end('{"items":[{"credentialId":"old"},{"credentialId":"new"}]}');
        if (method === "DELETE") response.writeHead(204).end();
        return true;
      },
    },
    ...["--devices", "1", "--rate", "1000", "--count", "1"],
  );
  assert.equal(run.code, 0, run.stderr);
  const path = "/v1/devices/sim-1/credentials";
  assert.deepEqual(asked, [`POST ${path}`, `GET ${path}`, `DELETE ${path}/old`, `POST ${path}`]);
});

const perDevice = (published: Published[]) => Map.groupBy(published, ({ deviceId }) => deviceId);
const values = (published: Published[]) => published.map(({ deviceId, payload }) => [deviceId, payload.values]);

describe("generated telemetry", () => {
  for (const version of ["4", "5"])
    test(`registers its devices and publishes the native payload at QoS 1 until all is acknowledged (MQTT ${version})`, async () => {
      const run = await simulate({}, "--devices", "3", "--rate", "1000", "--count", "30", "--version", version);
      assert.equal(run.code, 0, run.stderr);
      assert.deepEqual(run.registered.sort(), ["sim-1", "sim-2", "sim-3"]);
      assert.equal(run.published.length, 30);
      for (const { deviceId, topic, payload } of run.published) {
        assert.equal(topic, `devices/${deviceId}/telemetry`);
        assert.deepEqual(Object.keys(payload.values), ["temperature", "humidity", "pressure"]);
      }
      for (const messages of perDevice(run.published).values())
        assert.equal(
          new Set(messages.map(({ payload }) => payload.ts)).size,
          10,
          "every message has a time of its own",
        );
      assert.equal(run.report.sent, 30);
      assert.equal(run.report.acknowledged, 30);
      assert.match(run.stdout, /^30 messages sent, 30 acknowledged in /);
    });

  test("the same seed gives the same ids, values and order, another seed other values", async () => {
    const options = ["--devices", "4", "--rate", "2000", "--count", "40", "--metrics", "5"];
    const [first, again, other] = await Promise.all([
      simulate({}, ...options, "--seed", "7"),
      simulate({}, ...options, "--seed", "7"),
      simulate({}, ...options, "--seed", "8"),
    ]);
    const byDevice = ({ published }: typeof first) =>
      [...perDevice(published)].sort().map(([id, all]) => [id, values(all)]);
    assert.deepEqual(byDevice(again), byDevice(first));
    assert.notDeepEqual(byDevice(other), byDevice(first));
  });

  test("a device that is registered already is used, and --duration sends rate times seconds", async () => {
    const rest: StandInOptions["rest"] = (request, response) => {
      if (request.url !== "/v1/devices") return false;
      response.writeHead(409, { "content-type": "application/problem+json" }).end("{}");
      return true;
    };
    const run = await simulate({ rest }, "--devices", "2", "--rate", "100", "--duration", "0.3");
    assert.equal(run.code, 0, run.stderr);
    assert.equal(run.published.length, 30);
  });

  test("429 is waited for as Retry-After says", async () => {
    let refusals = 0;
    const rest: StandInOptions["rest"] = (_request, response) => {
      if (refusals > 0) return false;
      refusals++;
      response.writeHead(429, { "retry-after": "1" }).end("{}");
      return true;
    };
    const run = await simulate({ rest }, "--devices", "1", "--count", "1");
    assert.equal(run.code, 0, run.stderr);
    assert.equal(run.report.acknowledged, 1);
  });
});

describe("what is not acknowledged", () => {
  test("is sent again after the connection breaks, in order, however often it breaks", async () => {
    // Every tenth message's acknowledgement is lost with its connection.
    const puback: StandInOptions["puback"] = (_message, count, socket) => {
      if (count % 10 !== 0) return 0;
      socket.destroy();
      return undefined;
    };
    const run = await simulate({ puback }, "--devices", "2", "--rate", "1000", "--count", "60", "--inflight", "5");
    assert.equal(run.code, 0, run.stderr);
    assert.equal(run.report.acknowledged, 60);
    assert.ok(run.report.resent > 0);
    assert.ok(run.report.reconnects > 0);
    const sent = await simulate({}, "--devices", "2", "--rate", "1000", "--count", "60");
    for (const [id, messages] of perDevice(run.published)) {
      // Read from the end, each message's last delivery is after the one of the message before it.
      const last = [...new Map(messages.map((message) => [message.text, message])).values()];
      const ordered = last.toSorted((a, b) => Number(a.payload.ts) - Number(b.payload.ts));
      assert.deepEqual(last, ordered);
      assert.deepEqual(values(last), values(perDevice(sent.published).get(id) ?? []));
    }
  });

  test("is sent again when the platform's quota was exceeded", async () => {
    const run = await simulate(
      { puback: (_message, count) => (count === 3 ? 0x97 : 0) },
      "--devices",
      "1",
      "--rate",
      "1000",
      "--count",
      "10",
    );
    assert.equal(run.code, 0, run.stderr);
    assert.equal(run.report.acknowledged, 10);
    assert.equal(run.report.resent, 1);
  });

  test("but refused is told and the exit code is 1", async () => {
    const run = await simulate(
      { puback: (_message, count) => (count === 3 ? 0x99 : 0) },
      "--devices",
      "1",
      "--rate",
      "1000",
      "--count",
      "10",
    );
    assert.equal(run.code, 1);
    assert.equal(run.report.refused, 1);
    assert.match(run.stdout, /1 REFUSED \(first: .*Payload format invalid.*sim-1/);
  });

  test("is waited for after Ctrl-C for --drain seconds, and told when it never comes", async () => {
    const platform = await standIn({ puback: (_message, count) => (count <= 5 ? 0 : undefined) });
    const run = start(
      ...["--url", platform.url, "--mqtt", platform.mqtt],
      ...["--devices", "1", "--rate", "200", "--drain", "0.2", "--report"],
    );
    while (platform.published.length < 10) await new Promise((resolve) => setTimeout(resolve, 10));
    run.child.kill("SIGINT");
    const { code, stdout } = await run.ended;
    await platform.close();
    assert.equal(code, 1);
    assert.match(stdout, /5 acknowledged .* NOT acknowledged/);
  });
});

test("Ctrl-C ends an endless run with code 0 once all is acknowledged", async () => {
  const platform = await standIn();
  const run = start("--url", platform.url, "--mqtt", platform.mqtt, "--rate", "500");
  while (platform.published.length < 50) await new Promise((resolve) => setTimeout(resolve, 10));
  run.child.kill("SIGINT");
  const { code, stdout } = await run.ended;
  await platform.close();
  assert.equal(code, 0);
  const [, sent, acknowledged] = /^(\d+) messages sent, (\d+) acknowledged/.exec(stdout) ?? [];
  assert.ok(Number(sent) >= 50);
  assert.equal(acknowledged, sent);
});

describe("a recording", () => {
  const awsIot = [
    '{"data":{"light":false,"temp":27.0,"co":0.004565749630211374},"device_id":"aa:bb","ts":1594598424.5023336,"device":"iot-1"}',
    '{"data":{"light":true,"temp":21.6},"device_id":"cc:dd","ts":1594598425.1,"device":"iot-2"}',
    '{"data":{"light":true,"temp":22},"device_id":"aa:bb","ts":1594598426,"device":"iot-1"}',
  ].join("\n");

  test("of AWS IoT payloads keeps times and values as they are in the file, in the file's order", async () => {
    const file = join(folder, "aws.jsonl.gz");
    writeFileSync(file, gzipSync(awsIot));
    const run = await simulate({}, "--replay", file, "--speed", "max", "--prefix", "copy-");
    assert.equal(run.code, 0, run.stderr);
    assert.deepEqual(
      [...perDevice(run.published)].sort().map(([id, all]) => [id, all.map(({ text }) => text)]),
      [
        [
          "copy-aa:bb",
          [
            '{"ts":1594598424.5023336,"values":{"light":false,"temp":27,"co":0.004565749630211374}}',
            '{"ts":1594598426,"values":{"light":true,"temp":22}}',
          ],
        ],
        ["copy-cc:dd", ['{"ts":1594598425.1,"values":{"light":true,"temp":21.6}}']],
      ],
    );
  });

  test("on standard input is replayed line by line, faster and with its times moved to now", async () => {
    const platform = await standIn();
    const begun = Date.now();
    const run = start(
      "--url",
      platform.url,
      "--mqtt",
      platform.mqtt,
      "--replay",
      "-",
      "--speed",
      "100",
      "--start",
      "now",
    );
    run.child.stdin.end(awsIot);
    const { code, stderr } = await run.ended;
    await platform.close();
    assert.equal(code, 0, stderr);
    const instants = platform.published.map(({ payload }) => payload.ts as string).sort();
    const seconds = instants.map((instant) => Number(instant.slice(17, -1)));
    assert.ok(Date.parse(instants[0] as string) >= begun);
    // 1594598426 - 1594598424.502334, or across a minute.
    const apart = ((seconds[2] as number) - (seconds[0] as number) + 60) % 60;
    assert.equal(apart.toFixed(6), "1.497666");
  });

  test("as CSV: empty is missing, true and false are booleans, the rest numbers or text", async () => {
    const file = join(folder, "rooms.csv");
    const rows = [
      "device_id,ts,pm25,wind,open",
      "a,2013-03-01T00:00:00+08:00,4.0,NNW,true",
      'a,2013-03-01T01:00:00+08:00,,"N, ""E""",',
      "a,2013-03-01T02:00:00+08:00,,,",
      "b,1594598425.1,-3e2,,false",
    ];
    writeFileSync(file, rows.join("\r\n"));
    const run = await simulate({}, "--replay", file, "--speed", "max");
    assert.equal(run.code, 0, run.stderr);
    assert.deepEqual(run.published.map(({ deviceId, payload }) => [deviceId, payload]).sort(), [
      ["a", { ts: "2013-03-01T00:00:00+08:00", values: { pm25: 4, wind: "NNW", open: true } }],
      ["a", { ts: "2013-03-01T01:00:00+08:00", values: { wind: 'N, "E"' } }],
      ["b", { ts: 1594598425.1, values: { pm25: -300, open: false } }],
    ]);
    assert.equal(run.report.empty, 1);
  });

  test("that is broken, unknown, empty or missing is one line naming file and line, exit code 1", async () => {
    const cases: [string, string | Buffer | undefined, RegExp][] = [
      ["broken.jsonl", `${awsIot}\n{"data":{}}`, /broken\.jsonl line 4: device_id is no text/],
      ["short.csv", "device_id,ts,a\nx,2020-01-01T00:00:00Z", /short\.csv line 2: has 2 fields, the header 3/],
      ["time.csv", "device_id,ts,a\nx,yesterday,1", /time\.csv line 2: ts "yesterday"/],
      ["unknown.csv", "a,b\n1,2", /unknown\.csv line 1: is of no known form/],
      ["empty.csv", "", /empty\.csv is empty/],
      ["damaged.csv.gz", Buffer.from("no gzip"), /damaged\.csv\.gz cannot be read/],
      ["missing.csv", undefined, /missing\.csv cannot be read: ENOENT/],
      ["missing.csv.gz", undefined, /missing\.csv\.gz cannot be read: ENOENT/],
    ];
    for (const [name, content, message] of cases) {
      const file = join(folder, name);
      if (content !== undefined) writeFileSync(file, content);
      const { code, stderr } = await simulate({}, "--replay", file, "--speed", "max");
      assert.equal(code, 1, name);
      assert.match(stderr.trim(), message);
      assert.equal(stderr.trim().split("\n").length, 1, stderr);
    }
  });
});

describe("what is wrong is one line and exit code 1", () => {
  const failing = async (...args: string[]) => {
    const run = start(...args);
    run.child.stdin.end();
    const { code, stderr } = await run.ended;
    assert.equal(code, 1);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
    return stderr;
  };
  const nobody: string[] = [];
  before(async () => {
    const closed = await standIn();
    await closed.close();
    nobody.push("--url", closed.url, "--mqtt", closed.mqtt);
  });

  test("no platform, with its address", async () => {
    assert.match(await failing(...nobody), /no platform answers at http:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\)/);
  });

  for (const [what, status, body] of [
    ["another web server", 404, "<html>\n<body>Not here</body>\n</html>\n"],
    ["a web server that says yes to everything", 201, "<html>\n</html>\n"],
    ["an answer without a secret", 201, "{}"],
    ["a platform that is broken", 500, '{"title":"Internal Server Error"}'],
  ] as const)
    test(`${what}, with what was asked and answered`, async (t) => {
      const server = createServer((_request, response) => response.writeHead(status).end(body)).listen(0, "127.0.0.1");
      await once(server, "listening");
      t.after(() => server.close());
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const message = await failing("--url", url, "--mqtt", nobody[3] as string, "--devices", "1", "--count", "1");
      assert.ok(message.startsWith(`simulate: POST ${url}/v1/devices`), message);
      assert.match(message, new RegExp(`: ${status} `));
    });

  test("a folder in place of a recording, by name", async () => {
    assert.match(await failing(...nobody, "--replay", folder), /cannot be read: EISDIR/);
  });

  test("no MQTT server, with its address", async () => {
    const { code, stderr } = await simulate({}, "--devices", "1", "--count", "1", "--mqtt", nobody[3] as string);
    assert.equal(code, 1);
    assert.match(stderr, /^simulate: no MQTT server answers at mqtt:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\)/);
  });

  for (const [version, denied] of [
    ["4", 5],
    ["5", 0x87],
  ] as const)
    test(`a device that is denied, by name (MQTT ${version})`, async () => {
      const { code, stderr } = await simulate(
        { connack: () => denied },
        "--devices",
        "1",
        "--count",
        "1",
        "--version",
        version,
      );
      assert.equal(code, 1);
      assert.match(stderr, /^simulate: device sim-1 cannot connect to .*Not authorized/);
    });

  test("an option, by name", async () => {
    const cases: [string[], RegExp][] = [
      [["--devices", "none"], /--devices must be a whole number from 1/],
      [["--rate", "0"], /--rate must be a number from 0.001/],
      [["--qos", "2"], /--qos must be 1 or 0, is 2/],
      [["--url", "localhost:3000"], /--url must be a URL that begins with http:/],
      [["--devcies", "3"], /Unknown option '--devcies'/],
      [["--replay", "x", "--rate", "3"], /--rate goes not with --replay/],
      [["--speed", "3"], /--speed goes only with --replay/],
      [["--prefix", "a/b"], /--prefix must be/],
    ];
    for (const [args, message] of cases) assert.match(await failing(...nobody, ...args), message);
  });
});
