import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import mqtt from "mqtt";
import { otlpReceiver, type ReceivedSpan } from "../support/otlp-receiver.ts";
import { type Platform, startPlatform } from "../support/platform.ts";
import { restClient } from "../support/rest.ts";

const WAIT = { timeout: 15_000, interval: 100 };
const parentOf = (traceId: string, flags = "01") => `00-${traceId}-00f067aa0ba902b7-${flags}`;
const trace = (n: number) => n.toString(16).padStart(32, "0");
const byName = (spans: ReceivedSpan[], name: string) => spans.find((span) => span.name === name);
const attribute = (span: ReceivedSpan | undefined, key: string) =>
  Object.values(span?.attributes.find((one) => one.key === key)?.value ?? {})[0];

let collector: Awaited<ReturnType<typeof otlpReceiver>>;
let platform: Platform;
before(async () => {
  collector = await otlpReceiver();
  platform = await startPlatform({
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
      OTEL_EXPORTER_OTLP_HEADERS: "x-collector-key=abc%20d",
      OTEL_SERVICE_NAME: "plant-7",
      OTEL_TRACES_SAMPLER_ARG: "0",
    },
  });
});
after(async () => {
  await platform.stop();
  collector.close();
});

async function publish(id: string, payload: string, traceparent?: string) {
  const rest = restClient(platform.http);
  await rest.register(id);
  const client = await mqtt.connectAsync(platform.mqtt, {
    ...{ username: id, password: await rest.credential(id), protocolVersion: 5, reconnectPeriod: 0 },
  });
  await client
    .publishAsync("devices/me/telemetry", payload, {
      qos: 1,
      ...(traceparent === undefined ? {} : { properties: { userProperties: { traceparent } } }),
    })
    .catch((error: unknown) => error);
  await client.endAsync();
}

test("one trace spans a REST request, the action that it calls, and the actions that one calls", async (t) => {
  const traceId = trace(1);
  await fetch(`${platform.http}/v1/devices/never-seen/readings`, { headers: { traceparent: parentOf(traceId) } });
  await t.waitFor(() => {
    for (const name of ["GET /v1/devices/:deviceId/readings", "telemetry.readings", "device-registry.get"])
      assert.ok(byName(collector.of(traceId), name));
  }, WAIT);
  const spans = collector.of(traceId);
  const request = byName(spans, "GET /v1/devices/:deviceId/readings");
  const readings = byName(spans, "telemetry.readings");
  const get = byName(spans, "device-registry.get");
  assert.equal(request?.parentSpanId, "00f067aa0ba902b7");
  assert.equal(readings?.parentSpanId, request?.spanId);
  assert.equal(get?.parentSpanId, readings?.spanId);
  assert.equal(attribute(request, "http.response.status_code"), "404");
  assert.deepEqual([request?.kind, readings?.kind], [2, 1]);
  assert.equal(get?.status?.code, 2);
  for (const { startTimeUnixNano, endTimeUnixNano } of spans)
    assert.ok(
      BigInt(endTimeUnixNano) >= BigInt(startTimeUnixNano) &&
        Math.abs(Number(startTimeUnixNano) / 1e6 - Date.now()) < 60_000,
    );
});

test("one trace spans an MQTT PUBLISH, the channel and the consumer that stores it", async (t) => {
  const traceId = trace(2);
  await publish("traced", '{"t":1}', parentOf(traceId));
  // From several processes they come in any order.
  await t.waitFor(() => {
    const ofStore = (span: ReceivedSpan) => attribute(span, "messaging.consumer.group.name") === "store";
    assert.ok(collector.of(traceId).some(ofStore) && byName(collector.of(traceId), "mqtt publish"));
  }, WAIT);
  const spans = collector.of(traceId);
  const received = byName(spans, "mqtt publish");
  const published = byName(spans, "publish telemetry.received");
  const stored = spans.find(
    (span) =>
      span.name === "process telemetry.received" && attribute(span, "messaging.consumer.group.name") === "store",
  );
  assert.equal(received?.parentSpanId, "00f067aa0ba902b7");
  assert.equal(published?.parentSpanId, received?.spanId);
  assert.equal(stored?.parentSpanId, published?.spanId);
  assert.deepEqual([received?.kind, published?.kind, stored?.kind], [2, 4, 5]);
  assert.equal(attribute(received, "ganglion.device.id"), "traced");
  assert.equal((await restClient(platform.http).readings("traced")).length, 1);
});

test("a message that is refused is a span that has failed, and its way to the rejected messages is traced", async (t) => {
  const traceId = trace(3);
  await publish("refused", '{"t":{}}', parentOf(traceId));
  await t.waitFor(() => {
    for (const name of ["mqtt publish", "process telemetry.rejected"]) assert.ok(byName(collector.of(traceId), name));
  }, WAIT);
  assert.equal(byName(collector.of(traceId), "mqtt publish")?.status?.code, 2);
});

test("the caller's decision is followed: not sampled is not recorded; without a caller the configured share is, here none", async (t) => {
  const traceId = trace(4);
  const known = collector.spans.length;
  await fetch(`${platform.http}/v1/devices`, { headers: { traceparent: parentOf(traceId, "00") } });
  await fetch(`${platform.http}/v1/devices`, { headers: { traceparent: "nonsense" } });
  await publish("unsampled", '{"t":1}', parentOf(traceId, "00"));
  await publish("unasked", '{"t":1}');
  // Spans leave in order: when the last one is there, the others would have been.
  const last = trace(5);
  await fetch(`${platform.http}/v1/devices`, { headers: { traceparent: parentOf(last) } });
  await t.waitFor(() => assert.ok(byName(collector.of(last), "GET /v1/devices")), WAIT);
  assert.deepEqual([...new Set(collector.spans.slice(known).map((span) => span.traceId))], [last]);
});

test("exports name the service and carry the configured headers; the log of a request names its trace", () => {
  const [first] = collector.requests;
  assert.equal(first?.url, "/v1/traces");
  assert.equal(first?.headers["x-collector-key"], "abc d");
  const resource = Object.fromEntries(first?.resource.map(({ key, value }) => [key, Object.values(value)[0]]) ?? []);
  assert.equal(resource["service.name"], "plant-7");
  assert.match(platform.output(), new RegExp(trace(1)));
});

test("a collector that is away or refuses is no trouble of the platform; what could be sent again arrives once", async (t) => {
  const traceId = trace(6);
  collector.answers.push(503);
  await fetch(`${platform.http}/v1/devices`, { headers: { traceparent: parentOf(traceId) } });
  await t.waitFor(() => assert.ok(collector.of(traceId).length > 0), { timeout: 30_000, interval: 100 });
  assert.equal(collector.of(traceId).filter(({ name }) => name === "GET /v1/devices").length, 1);
  assert.equal((await fetch(`${platform.http}/health/ready`)).status, 200);
});

test("without a collector nothing of tracing is loaded, and without MONGO_URL nothing of MongoDB, and a traceparent is ignored", async () => {
  const untraced = await startPlatform({
    nodeOptions: [`--import=${new URL("../support/loaded-modules.ts", import.meta.url).href}`],
  });
  try {
    const answer = await fetch(`${untraced.http}/v1/devices`, { headers: { traceparent: parentOf(trace(7)) } });
    assert.equal(answer.status, 200);
  } finally {
    await untraced.stop();
  }
  assert.match(untraced.output(), /loaded: .*lib\/broker-options\.ts/);
  assert.doesNotMatch(untraced.output(), /loaded: .*lib\/tracing\/(middleware|tracer|otlp)/);
  assert.match(untraced.output(), /loaded: .*reading-store\/sqlite\.ts/);
  assert.doesNotMatch(untraced.output(), /loaded: .*(shared-client|mongo-latest|reading-store\/mongo)/);
});
