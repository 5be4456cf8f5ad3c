import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, get, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { type Platform, startPlatform } from "../support/platform.ts";

const BODY_BYTES_MAX = 4096;
let platform: Platform;
before(async () => {
  platform = await startPlatform({ env: { HTTP_BODY_BYTES_MAX: String(BODY_BYTES_MAX) } });
});
after(() => platform.stop());

interface Answer {
  status: number;
  headers: Headers;
  body: { [key: string]: unknown; errors?: { field: string }[] };
}

async function ask(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${platform.http}${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === "" ? {} : JSON.parse(text) };
}

/** The bytes that come back for bytes that no client library would send. */
async function raw(bytes: string): Promise<string> {
  const { hostname, port } = new URL(platform.http);
  const socket = connect(Number(port), hostname);
  let answer = "";
  socket.setEncoding("utf8").on("data", (text: string) => (answer += text));
  socket.end(bytes);
  await once(socket, "close");
  return answer;
}

function isProblem({ status, headers, body }: Answer, expected: number, code: string): void {
  assert.equal(status, expected, JSON.stringify(body));
  assert.equal(headers.get("content-type"), "application/problem+json");
  assert.partialDeepStrictEqual(body, { type: "about:blank", status: expected, code });
  assert.equal(body["requestId"], headers.get("x-request-id"));
}

/** Of an answer to bytes that never became a request. */
function isRawProblem(answer: string, expected: number, code: string): void {
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  assert.match(head, new RegExp(`^HTTP/1\\.1 ${expected} `));
  assert.match(head, /^Content-Type: application\/problem\+json$/m);
  const requestId = /^X-Request-ID: (\S+)$/m.exec(head)?.[1];
  assert.ok(requestId);
  assert.partialDeepStrictEqual(JSON.parse(body), { type: "about:blank", status: expected, code, requestId });
}

test("what is made answers 201 with its place, and is found there", async () => {
  const { status, headers, body } = await ask("POST", "/v1/devices", { id: "made", name: "Made" });
  assert.equal(status, 201);
  assert.equal(headers.get("location"), "/v1/devices/made");
  assert.deepEqual((await ask("GET", "/v1/devices/made")).body, body);
  assert.deepEqual(await ask("DELETE", "/v1/devices/made").then((gone) => [gone.status, gone.body]), [204, {}]);
  isProblem(await ask("GET", "/v1/devices/made"), 404, "DEVICE_NOT_FOUND");
});

test("an unknown path is 404, a known one with another method 405 with Allow", async () => {
  for (const path of ["/v1/nothing", "/nothing", "/v1", "/v1/devices/a/b/c", "/api/openapi/ui?url=x", "/~node/list"])
    isProblem(await ask("GET", path), 404, "PATH_NOT_FOUND");
  for (const path of ["/v1/devices", "/v1/devices/", "/v1/devices?x=1"]) {
    const answer = await ask("PATCH", path);
    isProblem(answer, 405, "METHOD_NOT_ALLOWED");
    assert.equal(answer.headers.get("allow"), "GET, HEAD, POST");
  }
  assert.equal((await ask("PUT", "/health/live")).headers.get("allow"), "GET, HEAD");
});

test("OPTIONS only says what is allowed, also for a preflight that names a method", async () => {
  await ask("POST", "/v1/devices", { id: "preflight" });
  const asked = await ask("OPTIONS", "/v1/devices/preflight", undefined, {
    origin: "http://elsewhere.example",
    "access-control-request-method": "DELETE",
  });
  assert.equal(asked.status, 204);
  assert.equal(asked.headers.get("allow"), "DELETE, GET, HEAD, PATCH, OPTIONS");
  assert.equal(asked.headers.get("access-control-allow-origin"), null);
  assert.equal((await ask("GET", "/v1/devices/preflight")).status, 200, "it is still there");
});

test("HEAD is GET without the body", async () => {
  const { status, headers, body } = await ask("HEAD", "/v1/devices");
  assert.deepEqual([status, body], [200, {}]);
  assert.match(headers.get("content-type") ?? "", /^application\/json/);
});

const refused: [what: string, body: string, headers: Record<string, string>, status: number, code: string][] = [
  ["malformed JSON", '{"id":"x",}', {}, 400, "BODY_MALFORMED"],
  ["a number", "5", {}, 422, "VALIDATION_ERROR"],
  ["null", "null", {}, 422, "VALIDATION_ERROR"],
  ["an array", '[{"id":"x"}]', {}, 422, "VALIDATION_ERROR"],
  ["no JSON", "id=x", { "content-type": "application/x-www-form-urlencoded" }, 415, "MEDIA_TYPE_UNSUPPORTED"],
  ["an unknown encoding", "{}", { "content-encoding": "x" }, 415, "ENCODING_UNSUPPORTED"],
  ["too much", JSON.stringify({ name: "x".repeat(BODY_BYTES_MAX) }), {}, 413, "BODY_TOO_LARGE"],
];
for (const [what, body, headers, status, code] of refused)
  test(`a body that is ${what} is ${status}`, async () => {
    isProblem(await ask("POST", "/v1/devices", body, headers), status, code);
  });

for (const [encoding, status, code] of [
  ["gzip", 400, "BODY_MALFORMED"],
  ["deflate", 400, "BODY_MALFORMED"],
  ["br", 415, "ENCODING_UNSUPPORTED"],
  ["zstd", 415, "ENCODING_UNSUPPORTED"],
] as const)
  test(`a body that is not the ${encoding} it says is ${status}`, async () => {
    isProblem(await ask("POST", "/v1/devices", "{}", { "content-encoding": encoding }), status, code);
  });

test("a page of another site may neither write nor read by a name of its own", async () => {
  const body = JSON.stringify({ id: "forged" });
  isProblem(await ask("POST", "/v1/devices", body, { origin: "http://evil.example" }), 403, "ORIGIN_FOREIGN");
  isProblem(await ask("POST", "/v1/devices", body, { origin: "null" }), 403, "ORIGIN_FOREIGN");
  const answer = await raw("GET /v1/devices HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n");
  assert.match(answer, /^HTTP\/1\.1 421 .*HOST_FOREIGN/s);
  assert.equal((await ask("GET", "/v1/devices/forged")).status, 404);
  const own = await ask("POST", "/v1/devices", body, { origin: platform.http });
  assert.equal(own.status, 201);
});

test("a request that takes too long is 408, a connection beyond the limit is closed", async () => {
  const limited = await startPlatform({ env: { HTTP_REQUEST_SECONDS_MAX: "1", HTTP_CONNECTIONS_MAX: "2" } });
  try {
    const { hostname, port } = new URL(limited.http);
    const open = async () => {
      const socket = connect(Number(port), hostname);
      let answer = "";
      socket.setEncoding("utf8").on("data", (text: string) => (answer += text));
      const closed = new Promise((resolve) => socket.once("close", resolve));
      // One that is refused may be reset.
      socket.on("error", () => {});
      await once(socket, "connect");
      socket.write(
        "POST /v1/devices HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
      );
      return { closed: closed.then(() => answer) };
    };
    const slow = [await open(), await open()];
    assert.equal(await (await open()).closed, "");
    for (const { closed } of slow) isRawProblem(await closed, 408, "REQUEST_TIMEOUT");
  } finally {
    await limited.stop();
  }
});

test("a connection waits for its next request, and makes room where many are taken", async () => {
  const limited = await startPlatform({ env: { HTTP_KEEP_ALIVE_SECONDS: "77", HTTP_CONNECTIONS_MAX: "10" } });
  const agents = Array.from({ length: 20 }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  try {
    const live = (agent: Agent) =>
      new Promise<IncomingMessage>((resolve, reject) => {
        get(`${limited.http}/health/live`, { agent }, resolve).on("error", reject);
      });
    const answers = [];
    for (const agent of agents) {
      const answer = await live(agent);
      for await (const _ of answer);
      answers.push([answer.statusCode, answer.headers["keep-alive"]]);
    }
    assert.deepEqual(answers, Array(agents.length).fill([200, "timeout=77"]));
  } finally {
    for (const agent of agents) agent.destroy();
    await limited.stop();
  }
});

test("too much that unpacks from little is 413", async () => {
  const packed = new Blob([JSON.stringify({ name: "x".repeat(100 * BODY_BYTES_MAX) })])
    .stream()
    .pipeThrough(new CompressionStream("gzip"));
  const response = await fetch(`${platform.http}/v1/devices`, {
    method: "POST",
    headers: { "content-type": "application/json", "content-encoding": "gzip" },
    body: await new Response(packed).arrayBuffer(),
  });
  assert.equal(response.status, 413);
});

const wrongFields: [method: string, path: string, body: string | undefined, field: string][] = [
  ["POST", "/v1/devices", '{"naem":"x"}', "naem"],
  ["POST", "/v1/devices", '{"id":"x","__proto__":{"name":"p"}}', "__proto__"],
  ["POST", "/v1/devices", '{"id":"x","tags":{"__proto__":"p"}}', "tags.__proto__"],
  ["POST", "/v1/devices/d/readings", '{"readings":[{"values":{"__proto__":1,"a":1}}]}', "readings.0.values.__proto__"],
  ["POST", "/v1/devices/d/readings", '{"readings":[{"values":{"a":-1e400}}]}', "readings.0.values.a"],
  ["PUT", "/v1/devices/d/config", '{"config":{"a":[1,1e400]}}', "config.a.1"],
  ["PUT", "/v1/devices/d/config", `{"config":${'{"a":'.repeat(50)}1${"}".repeat(50)}}`, "config"],
  ["POST", "/v1/devices", '{"id":7}', "id"],
  ["POST", "/v1/devices", '{"groups":["a",7]}', "groups.1"],
  ["POST", "/v1/devices", '{"tags":{"a":{"$gt":""}}}', "tags.a"],
  ["GET", "/v1/devices?limit=many", undefined, "limit"],
  ["GET", "/v1/devices?limit=1&limit=2", undefined, "limit"],
  ["GET", "/v1/devices?limit=0", undefined, "limit"],
  ["GET", "/v1/devices?limit=0x10", undefined, "limit"],
  ["GET", "/v1/devices?limit=1e1", undefined, "limit"],
  ["GET", "/v1/devices?limit=%205", undefined, "limit"],
  ["GET", "/v1/devices?limit=", undefined, "limit"],
  ["GET", "/v1/devices/d/readings?limit=0x10", undefined, "limit"],
  ["GET", "/v1/dead-letters?limit=1.5", undefined, "limit"],
  ["GET", "/v1/rejected-messages?limit=-1", undefined, "limit"],
  ["DELETE", "/v1/devices/d?readings=all", undefined, "readings"],
  ["GET", "/v1/devices?limit[$gt]=1", undefined, "limit[$gt]"],
  ["GET", "/v1/devices?constructor=1", undefined, "constructor"],
  ["GET", "/v1/devices/a%2Fb", undefined, "deviceId"],
  ["GET", "/v1/devices/d/readings?from=yesterday", undefined, "from"],
  ["GET", "/v1/devices/d/readings?interval=1h", undefined, "interval"],
];
for (const [method, path, body, field] of wrongFields)
  test(`${method} ${path} ${body ?? ""} is 422, naming ${field}`, async () => {
    const answer = await ask(method, path, body);
    isProblem(answer, 422, "VALIDATION_ERROR");
    assert.equal(answer.body.errors?.[0]?.field, field);
  });

test("a cursor that is none, or another list's, is 400 naming it", async () => {
  isProblem(await ask("GET", "/v1/devices?cursor=xyz"), 400, "CURSOR_REFUSED");
});

test("a path that is no percent-encoding is 400, and bytes that are no HTTP end the connection only", async () => {
  isProblem(await ask("GET", "/v1/devices/%E0%A4%A"), 400, "PATH_MALFORMED");
  isRawProblem(await raw("\x00\x01\x02\r\n\r\n"), 400, "REQUEST_MALFORMED");
  assert.match(
    await raw(
      "POST /v1/devices HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{",
    ),
    /^(HTTP\/1\.1 400 |$)/,
  );
  isRawProblem(
    await raw(`GET /v1/devices/${"x".repeat(20_000)} HTTP/1.1\r\nhost: localhost\r\n\r\n`),
    431,
    "HEADERS_TOO_LARGE",
  );
  assert.equal((await ask("GET", "/health/live")).status, 200);
});

test("a request's own id is kept and logged where it is fit for a log, else it gets one", async () => {
  const kept = await ask("GET", "/v1/devices", undefined, { "x-request-id": "order-66" });
  assert.equal(kept.headers.get("x-request-id"), "order-66");
  for (const headers of [{ "x-request-id": "a b{}" }, { "x-correlation-id": "x".repeat(500) }]) {
    const made = await ask("GET", "/v1/nothing", undefined, headers as unknown as Record<string, string>);
    assert.match(made.headers.get("x-request-id") ?? "", /^[0-9a-f-]{36}$/);
  }
  assert.match(platform.output(), /Request\..*order-66.*\/v1\/devices.*200/);
});

test("requests of one address are limited, whatever address they claim; 429 says when to come again", async () => {
  const limited = await startPlatform({ env: { HTTP_RATE_LIMIT: "5", HTTP_RATE_WINDOW_SECONDS: "2" } });
  try {
    const get = (n: number, path = "/v1/devices") =>
      fetch(`${limited.http}${path}`, { headers: { "x-forwarded-for": `10.0.0.${n}` } });
    const statuses: number[] = [];
    for (let n = 0; n < 5; n++) statuses.push((await get(n)).status);
    assert.deepEqual(statuses, [200, 200, 200, 200, 200]);
    const refusal = await get(6);
    assert.equal(refusal.status, 429);
    assert.equal(((await refusal.json()) as { code: string }).code, "RATE_LIMITED");
    const wait = Number(refusal.headers.get("retry-after"));
    assert.ok(wait >= 1 && wait <= 2, `Retry-After ${wait}`);
    assert.equal((await get(7, "/health/live")).status, 200, "health is not limited");
    await new Promise((resolve) => setTimeout(resolve, wait * 1000 + 100));
    assert.equal((await get(8)).status, 200);
  } finally {
    await limited.stop();
  }
});

test("health says live and ready, metrics are Prometheus' text", async () => {
  assert.deepEqual((await ask("GET", "/health/live")).body, { status: "live" });
  assert.deepEqual((await ask("GET", "/health/ready")).body, { status: "ready" });
  const metrics = await fetch(`${platform.http}/metrics`);
  assert.equal(metrics.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  for (const line of (await metrics.text()).split("\n").filter(Boolean))
    assert.match(line, /^(# (HELP|TYPE) \w+ |\w+(\{([a-zA-Z_]+="[^"\n]*",?)*\})? (NaN|-?[\d.e+-]+)$)/);
});

interface Operation {
  operationId: string;
  summary: string;
  parameters: { name: string; in: string; required: boolean; schema: Record<string, unknown> }[];
  responses: Record<string, unknown>;
}

test("the API document is valid OpenAPI 3.1 and says of each operation what the contract says", async () => {
  const document = (await ask("GET", "/openapi.json")).body as {
    openapi?: string;
    paths?: Record<string, Record<string, Operation>>;
  };
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  assert.ok(valid, JSON.stringify(errors));
  assert.match(document.openapi ?? "", /^3\.1\./);
  const operations = Object.values(document.paths ?? {}).flatMap((path) => Object.values(path));
  const ids = operations.map(({ operationId }) => operationId);
  assert.equal(new Set(ids).size, ids.length);
  assert.ok(ids.includes("device-registry.register") && ids.includes("telemetry.readings"));
  assert.equal(ids.includes("device-registry.authenticate"), false, "internal");
  for (const { summary, responses } of operations) {
    assert.doesNotMatch(summary, /\n|autoAlias/);
    assert.ok(responses["default"]);
  }
  assert.equal(JSON.stringify(document).includes('"example":null'), false);
  const list = document.paths?.["/v1/devices"]?.["get"];
  const limit = list?.parameters.find(({ name }) => name === "limit");
  assert.partialDeepStrictEqual(limit?.schema, { type: "integer", minimum: 1, maximum: 1000, default: 100 });
  const tag = list?.parameters.find(({ name }) => name === "tag");
  assert.partialDeepStrictEqual(tag, { in: "query", required: false, style: "form", explode: true });
  const readings = document.paths?.["/v1/devices/{deviceId}/readings"]?.["get"];
  const metrics = readings?.parameters.find(({ name }) => name === "metrics");
  assert.partialDeepStrictEqual(metrics, { in: "query", required: false, style: "form", explode: false });
  const get = document.paths?.["/v1/devices/{deviceId}"]?.["get"];
  assert.partialDeepStrictEqual(get?.parameters[0], { name: "deviceId", in: "path", required: true });
  const responses = document.paths?.["/v1/devices"]?.["post"]?.responses ?? {};
  assert.deepEqual(Object.keys(responses), ["201", "default"]);
});
