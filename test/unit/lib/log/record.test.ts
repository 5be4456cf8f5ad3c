import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonLine, recordOf, textLine } from "../../../../lib/log/record.ts";

const of = { module: "gateway", nodeID: "n" };
const time = new Date(0);
const record = (...args: unknown[]) => recordOf(of, "warn", args, time);
const json = (...args: unknown[]) => {
  const line = jsonLine(record(...args));
  assert.equal(line.indexOf("\n"), line.length - 1, "one line");
  return JSON.parse(line) as Record<string, unknown>;
};

test("a record has time, level, module, node, message and fields; the request id has a place of its own", () => {
  assert.deepEqual(json("Request.", { requestId: "r-1", status: 200 }), {
    ...{ time: "1970-01-01T00:00:00.000Z", level: "warn", module: "gateway", nodeID: "n" },
    ...{ message: "Request.", requestId: "r-1", fields: { status: 200 } },
  });
});

test("an error has name, message, stack, its own fields and its causes, given as a field or as it is", () => {
  const cause = new TypeError("inner");
  const error = Object.assign(new Error("outer", { cause }), { code: 503, data: { deviceId: "d" } });
  for (const args of [
    ["Failed.", { error }],
    ["Failed.", error],
  ]) {
    const { error: logged, message } = json(...args) as { error: Record<string, unknown>; message: string };
    assert.equal(message, "Failed.");
    assert.partialDeepStrictEqual(logged, { name: "Error", message: "outer", code: 503, data: { deviceId: "d" } });
    assert.match(String(logged["stack"]), /record\.test\.ts/);
    assert.partialDeepStrictEqual(logged["cause"] as object, { name: "TypeError", message: "inner" });
  }
  assert.equal(json(error)["message"], "outer");
});

const secret = "s3cr3t-value";
const fields: [what: string, fields: object][] = [
  ["password", { password: secret }],
  ["a nested secret", { a: { b: [{ clientSecret: secret }] } }],
  ["an access token", { access_token: secret, accessToken: secret, tokens: [secret] }],
  ["a header", { headers: { authorization: secret, Cookie: secret, "x-api-key": secret } }],
  ["a bearer token in a text", { header: `Bearer ${secret}` }],
  ["a URL with a password", { url: `mqtt://user:${secret}@host:1883/` }],
  ["an error's field", { error: Object.assign(new Error("x"), { password: secret, data: { token: secret } }) }],
  ["an error's message", { error: new Error(`refused: Authorization: Basic ${secret}`) }],
  ["a Map", { map: new Map([["k", { secret }]]) }],
];
for (const [what, given] of fields)
  test(`no secret is logged: ${what}`, () => {
    for (const line of [jsonLine(record("Said.", given)), textLine(record("Said.", given))]) {
      assert.ok(!line.includes(secret), line);
    }
    assert.match(jsonLine(record("Said.", given)), /redacted/);
  });

test("whatever is logged is one JSON object: cycles, large things, numbers that JSON lacks, bytes", () => {
  const cycle: Record<string, unknown> = {
    n: Number.NaN,
    big: 10n,
    f: () => 1,
    bytes: Buffer.from("abc"),
    u: undefined,
  };
  cycle["self"] = cycle;
  cycle["many"] = Array.from({ length: 1000 }, (_, i) => i);
  cycle["long"] = "x".repeat(100_000);
  assert.ok(JSON.stringify(json("Said.", cycle)).length < 20_000);
});

test("in text a record is one line, whatever somebody has sent, with the stack of an error below it", () => {
  const line = textLine(record("Said\nagain\u001b[31m.", { a: "x\ny", b: "\u009b31m", c: 1, d: "plain" }));
  assert.equal(line, '1970-01-01T00:00:00.000Z WARN  gateway: Said\\u000aagain. a="x\\ny" b=\\u009b31m c=1 d=plain\n');
  const [first, second] = textLine(record("Failed.", { error: new Error("why") })).split("\n");
  assert.equal(first, "1970-01-01T00:00:00.000Z WARN  gateway: Failed. error=why");
  assert.match(String(second), /^ {2}at /);
});
