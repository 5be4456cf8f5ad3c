import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Platform, startPlatform } from "../support/platform.ts";
import { restClient } from "../support/rest.ts";

const ROWS = 200_000;
const BEGIN = Date.UTC(2026, 0, 1);
const MB = 1024;

let platform: Platform;
before(async () => {
  platform = await startPlatform({ env: { HTTP_RATE_LIMIT: "100000", SQLITE_SYNCHRONOUS: "NORMAL" } });
  const rest = restClient(platform.http);
  for (const id of ["long", "odd", "silent"]) await rest.register(id);
  for (let first = 0; first < ROWS; first += 1000)
    await rest.request("POST", "/v1/devices/long/readings", {
      readings: Array.from({ length: 1000 }, (_, n) => ({
        ts: BEGIN + (first + n) * 1000,
        values: { n: first + n, half: (first + n) / 2, text: "some text" },
      })),
    });
  await rest.request("POST", "/v1/devices/odd/readings", {
    readings: [
      { ts: BEGIN, values: { "a,b": 1, text: 'say "hi",\nthere', on: true } },
      { ts: BEGIN + 1, values: { late: "=1+1" } },
      { ts: BEGIN + 1500, values: { "a,b": 2.5, text: "" } },
    ],
  });
  while ((await rest.readings("odd")).length < 3) await sleep(20);
});
after(() => platform.stop());

/** kB of memory that the platform's processes hold. */
const rss = () => platform.pids.map(rssOf).reduce((sum, one) => sum + one, 0);

function rssOf(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes);
}

const open = (path: string, accept: string) =>
  new Promise<IncomingMessage>((resolve, reject) => {
    get(`${platform.http}${path}`, { headers: { accept } }, resolve).once("error", reject);
  });

async function text(path: string, accept: string): Promise<{ status: number; type: string | null; body: string }> {
  const response = await fetch(`${platform.http}${path}`, { headers: { accept } });
  return { status: response.status, type: response.headers.get("content-type"), body: await response.text() };
}

for (const [type, header] of [
  ["application/x-ndjson", 0],
  ["text/csv", 1],
] as const)
  test(`${ROWS} readings as ${type}: each once, in order, other requests are answered, memory stays bounded`, async () => {
    const begun = rss();
    let highest = begun;
    let slowest = 0;
    const stream = await open("/v1/devices/long/readings", type);
    assert.equal(stream.statusCode, 200);
    assert.ok(stream.headers["content-type"]?.startsWith(type));
    let done = false;
    const others = (async () => {
      while (!done) {
        const asked = performance.now();
        assert.equal((await fetch(`${platform.http}/v1/devices/long/latest`)).status, 200);
        slowest = Math.max(slowest, performance.now() - asked);
        highest = Math.max(highest, rss());
        await sleep(20);
      }
    })();
    let lines = 0;
    for await (const line of createInterface({ input: stream })) {
      const n = lines++ - header;
      if (n < 0) continue;
      const ts = new Date(BEGIN + n * 1000).toISOString();
      const expected =
        header === 1
          ? `${ts},${n},${n / 2},"some text"`
          : JSON.stringify({ ts, values: { n, half: n / 2, text: "some text" } });
      if (line !== expected) assert.equal(line, expected);
    }
    done = true;
    await others;
    assert.equal(lines - header, ROWS);
    assert.ok(highest - begun < 100 * MB, `from ${begun} to ${highest} kB`);
    // Far above any delay but a standstill: this process's own work counts, too.
    assert.ok(slowest < 5000, `another request took ${slowest} ms`);
  });

test("a reader that stops reading, and one that goes away, hold up neither memory nor others", async () => {
  const begun = rss();
  const readers = await Promise.all(
    Array.from({ length: 20 }, () => open("/v1/devices/long/readings", "application/x-ndjson")),
  );
  for (const reader of readers) reader.pause();
  await sleep(1000);
  assert.ok(rss() - begun < 100 * MB, `from ${begun} to ${rss()} kB`);
  assert.equal((await fetch(`${platform.http}/v1/devices`)).status, 200);
  const rest = restClient(platform.http);
  await rest.request("POST", "/v1/devices/silent/readings", { readings: [{ ts: BEGIN, values: { a: 1 } }] });
  while ((await rest.readings("silent")).length < 1) await sleep(20);
  await rest.request("DELETE", "/v1/devices/silent/readings");
  for (const reader of readers) reader.destroy();
  await sleep(100);
  assert.equal((await fetch(`${platform.http}/health/ready`)).status, 200);
});

test("CSV has a column for every metric that the device ever had, and RFC 4180's quotes", async () => {
  const { status, type, body } = await text("/v1/devices/odd/readings", "text/csv");
  assert.deepEqual([status, type], [200, "text/csv; charset=utf-8; header=present"]);
  assert.equal(
    body,
    [
      'ts,"a,b",text,on,late',
      '2026-01-01T00:00:00.000Z,1,"say ""hi"",\nthere",true,',
      '2026-01-01T00:00:00.001Z,,,,"=1+1"',
      '2026-01-01T00:00:01.500Z,2.5,"",,',
      "",
    ].join("\r\n"),
  );
});

test("range, metrics, order and limit hold for streams as for pages", async () => {
  const query = new URLSearchParams({ from: "2026-01-01T00:00:00.001Z", metrics: "late,on", order: "desc" });
  const { body } = await text(`/v1/devices/odd/readings?${query}`, "text/csv");
  assert.equal(body, 'ts,late,on\r\n2026-01-01T00:00:00.001Z,"=1+1",\r\n');
  const { body: lines } = await text("/v1/devices/long/readings?limit=1000&order=desc", "application/x-ndjson");
  const numbers = lines
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).values.n);
  assert.deepEqual(
    numbers,
    Array.from({ length: 1000 }, (_, n) => ROWS - 1 - n),
  );
});

test("aggregates stream too, in a time zone", async () => {
  const query = new URLSearchParams({
    interval: "P1D",
    timeZone: "Asia/Kolkata",
    aggregate: "count,first",
    metrics: "n",
  });
  const { body } = await text(`/v1/devices/long/readings?${query}`, "text/csv");
  assert.equal(
    body,
    [
      "start,end,n.count,n.first",
      "2025-12-31T18:30:00.000Z,2026-01-01T18:30:00.000Z,66600,0",
      "2026-01-01T18:30:00.000Z,2026-01-02T18:30:00.000Z,86400,66600",
      "2026-01-02T18:30:00.000Z,2026-01-03T18:30:00.000Z,47000,153000",
      "",
    ].join("\r\n"),
  );
  const rest = restClient(platform.http);
  const pages = await rest.aggregates("long", { interval: "PT1M", aggregate: ["avg"] });
  const streamed = await text("/v1/devices/long/readings?interval=PT1M&aggregate=avg", "application/x-ndjson");
  assert.equal(pages.length, 3334);
  assert.deepEqual(
    streamed.body
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
    pages,
  );
});

for (const [what, path, status, code] of [
  ["an unknown device", "/v1/devices/nobody/readings", 404, "DEVICE_NOT_FOUND"],
  ["a cursor", "/v1/devices/odd/readings?cursor=abc", 422, "VALIDATION_ERROR"],
  ["a time zone that is none", "/v1/devices/odd/readings?interval=P1D&timeZone=Mars", 422, "VALIDATION_ERROR"],
  ["a time zone without interval", "/v1/devices/odd/readings?timeZone=Europe/Berlin", 422, "VALIDATION_ERROR"],
] as const)
  test(`a stream of ${what} is a problem document, not a stream`, async () => {
    const answer = await text(path, "text/csv");
    assert.deepEqual(
      [answer.status, answer.type, JSON.parse(answer.body).code],
      [status, "application/problem+json", code],
    );
  });

test("a device without readings streams nothing but the header", async () => {
  assert.equal((await text("/v1/devices/silent/readings", "text/csv")).body.split("\r\n").length, 2);
  assert.equal((await text("/v1/devices/silent/readings", "application/x-ndjson")).body, "");
});

test("a type that is not offered is 406, and HEAD has the headers only", async () => {
  assert.equal((await text("/v1/devices/odd/readings", "application/xml")).status, 406);
  const head = await fetch(`${platform.http}/v1/devices/long/readings`, {
    method: "HEAD",
    headers: { accept: "text/csv" },
  });
  assert.deepEqual([head.status, await head.text()], [200, ""]);
});
