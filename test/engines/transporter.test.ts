import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import mqtt from "mqtt";
import { allServiceFiles } from "../../lib/cluster/service-files.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { command } from "../support/command.ts";
import { otlpReceiver } from "../support/otlp-receiver.ts";
import { type RestClient, restClient } from "../support/rest.ts";

const WAIT = { timeout: 20_000, interval: 50 };
const HINT_MS = 10_000;

/** Every service file as a process of its own. */
const ALONE = Object.fromEntries(
  allServiceFiles().map((file) => {
    const service = file.slice("services/".length, -".service.ts".length);
    const [folder, name] = service.split("/", 2);
    return [folder === name ? folder : service.replaceAll("/", "-"), service];
  }),
);

const folder = mkdtempSync(join(tmpdir(), "ganglion-engines-"));
after(() => rmSync(folder, { recursive: true, force: true }));

interface Problem {
  status: number;
  code: string;
  requestId: string;
}

for (const shape of ["tcp", "nats"] as const)
  describe(`each service as a process of its own over ${shape}`, () => {
    let cluster: Cluster;
    let rest: RestClient;
    let collector: Awaited<ReturnType<typeof otlpReceiver>>;
    const dataDir = join(folder, shape);
    before(async () => {
      collector = await otlpReceiver();
      cluster = await startCluster({
        ...{ shape, dataDir, processes: ALONE },
        env: {
          OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
          OTEL_TRACES_SAMPLER_ARG: "0",
          NODE_TIMEOUT_SECONDS: "2",
        },
      });
      rest = restClient(String(cluster.urls["http"]));
    });
    after(async () => {
      const { code } = await cluster.stop();
      collector.close();
      assert.equal(code, 0);
      assert.doesNotMatch(cluster.output(), /unhandled|UnhandledPromise/i);
    });

    const get = (path: string, headers: Record<string, string> = {}) =>
      fetch(`${cluster.urls["http"]}${path}`, { headers });
    const readiness = async () => {
      const response = await get("/health/ready");
      return { code: response.status, reasons: ((await response.json()) as { reasons?: string[] }).reasons };
    };
    const ready = (t: TestContext) => t.waitFor(async () => assert.equal((await readiness()).code, 200), WAIT);
    async function device(id: string) {
      await rest.register(id);
      const password = await rest.credential(id);
      return {
        id,
        password,
        connect: () =>
          mqtt.connectAsync(String(cluster.urls["mqtt"]), {
            username: id,
            password,
            reconnectPeriod: 0,
            protocolVersion: 5,
          }),
      };
    }

    test("what a device publishes to one process is stored by a second and read through a third", async (t) => {
      const { connect } = await device("d-1");
      const client = await connect();
      await client.publishAsync("devices/me/telemetry", '{"ts":"2026-01-01T00:00:00Z","values":{"n":1}}', { qos: 1 });
      await client.endAsync();
      await t.waitFor(async () => assert.equal((await rest.readings("d-1")).length, 1), WAIT);
    });

    test("the API document and the metrics are those of all processes", async () => {
      const { paths } = (await (await get("/openapi.json")).json()) as { paths: object };
      for (const path of [
        "/v1/devices",
        "/v1/devices/{deviceId}/readings",
        "/v1/dead-letters",
        "/v1/rejected-messages",
      ])
        assert.ok(Object.keys(paths).includes(path), `${path} of ${Object.keys(paths)}`);
      const metrics = await (await get("/metrics")).text();
      for (const name of Object.keys(ALONE))
        assert.match(metrics, new RegExp(`^ganglion_service_running\\{node="${name}",service="[\\w-]+"\\} 1$`, "m"));
      const heads = metrics.split("\n").filter((line) => line.startsWith("# TYPE "));
      assert.equal(new Set(heads).size, heads.length, "a metric has one head");
    });

    test("an error of another process keeps status, code, detail and fields", async () => {
      await rest.register("twice");
      const twice = await fetch(`${cluster.urls["http"]}/v1/devices`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: '{"id":"twice"}',
      });
      const { requestId, ...problem } = (await twice.json()) as Problem;
      assert.equal(requestId, twice.headers.get("x-request-id"));
      assert.deepEqual(problem, {
        ...{ type: "about:blank", title: "Conflict", status: 409, code: "DEVICE_EXISTS" },
        detail: "Device 'twice' exists already.",
      });
      const invalid = await get("/v1/devices?limit=-1");
      assert.equal(invalid.status, 422);
      const { errors } = (await invalid.json()) as { errors: { field: string }[] };
      assert.deepEqual(
        errors.map(({ field }) => field),
        ["limit"],
      );
    });

    test("a hint reaches the edge in its own process: a device whose credential is revoked is disconnected", async () => {
      const { id, connect } = await device("d-2");
      const client = await connect();
      const closed = new Promise((resolve) => client.once("close", () => resolve("closed")));
      const { items } = (await rest.request("GET", `/v1/devices/${id}/credentials`)) as {
        items: { credentialId: string }[];
      };
      await rest.request("DELETE", `/v1/devices/${id}/credentials/${items[0]?.credentialId}`);
      assert.equal(await Promise.race([closed, sleep(HINT_MS, "still connected", { ref: false })]), "closed");
      await assert.rejects(connect(), /Not authorized|Bad User Name|refused/i);
    });

    test("one trace goes through all processes that a request meets, and a request's id is the caller's", async (t) => {
      const traceId = `${shape === "tcp" ? 1 : 2}`.padStart(32, "a");
      const response = await get("/v1/devices/unknown/readings", {
        traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
        "x-request-id": "order-66",
      });
      assert.equal(((await response.json()) as Problem).requestId, "order-66");
      await t.waitFor(() => {
        const from = collector.requests
          .flatMap(({ resource }) => resource)
          .filter(({ key }) => key === "service.instance.id")
          .map(({ value }) => Object.values(value)[0]);
        for (const node of ["gateway", "telemetry", "device-registry"])
          assert.ok(from.includes(node), `${node} of ${from}`);
        assert.ok(collector.of(traceId).length >= 3);
      }, WAIT);
    });

    test("while a service is away its routes are 503 with Retry-After, readiness names it, and its paths leave the API document", async (t) => {
      const paths = async () => Object.keys(((await (await get("/openapi.json")).json()) as { paths: object }).paths);
      assert.equal((await cluster.processes.get("dead-letters")?.stop())?.code, 0);
      await t.waitFor(async () => {
        const response = await get("/v1/dead-letters");
        assert.equal(response.status, 503);
        assert.match(String(response.headers.get("retry-after")), /^\d+$/);
        assert.equal(((await response.json()) as Problem).code, "UNAVAILABLE");
      }, WAIT);
      assert.deepEqual(await readiness(), { code: 503, reasons: ["service dead-letters is not running"] });
      await t.waitFor(async () => assert.ok(!(await paths()).includes("/v1/dead-letters")), WAIT);
      await cluster.start("dead-letters");
      await t.waitFor(async () => assert.equal((await get("/v1/dead-letters")).status, 200), WAIT);
      await t.waitFor(async () => assert.ok((await paths()).includes("/v1/dead-letters")), WAIT);
      await ready(t);
    });

    test("a service that is killed is answered by 503 within the time limits, and taken back when it returns", async (t) => {
      await cluster.processes.get("device-registry")?.kill("SIGKILL");
      await t.waitFor(async () => assert.equal((await get("/v1/devices")).status, 503), WAIT);
      await cluster.start("device-registry");
      await t.waitFor(async () => assert.equal((await get("/v1/devices")).status, 200), WAIT);
      const { connect } = await device("d-3");
      // The edge in its process hears of it in its own time.
      await t.waitFor(async () => (await connect()).endAsync(), WAIT);
      await ready(t);
    });

    test("each process has its lock, pid and console in the folder that they share", async () => {
      for (const [name, one] of cluster.processes)
        assert.equal(readFileSync(join(dataDir, `pid-${name}`), "utf8").trim(), String(one.pid));
      const { code, stdout, stderr } = await command("repl", [], cluster.envOf("gateway"), "devices\n");
      assert.deepEqual([code, stderr], [0, ""]);
      assert.match(stdout, /d-1/);
      const alone = await command("restore", [join(folder, "none")], { DATA_DIR: dataDir });
      assert.equal(alone.code, 1);
    });
  });
