import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import mqtt from "mqtt";
import { parse } from "yaml";
import { readCompose } from "../../bin/cluster/compose-file.ts";
import { images } from "../../bin/cluster/images.ts";
import { without } from "../../bin/cluster/subset.ts";
import { allServiceFiles, serviceFiles } from "../../lib/cluster/service-files.ts";
import { readConfig } from "../../lib/config.ts";
import { buildByHand, dockerfileSteps } from "../support/dockerfile.ts";
import { START_ARGUMENTS } from "../support/product-process.ts";
import { restClient } from "../support/rest.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const COMPOSE = join(root, "docker-compose.yml");
const WAIT = { timeout: 20_000, interval: 50 };
const folder = mkdtempSync(join(tmpdir(), "ganglion-deployment-"));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));

test("docker-compose.yml is what the compose specification's schema says; a misspelt key would not be", () => {
  const schemas = join(
    dirname(fileURLToPath(import.meta.resolve("dclint/package.json"))),
    "schemas/compose.schema.json",
  );
  const schema = JSON.parse(readFileSync(schemas, "utf8")) as object;
  const valid = new Ajv({ strict: false, validateFormats: false }).compile({
    ...schema,
    $schema: "http://json-schema.org/draft-07/schema#",
  });
  const document = parse(readFileSync(COMPOSE, "utf8"), { merge: true }) as {
    services: { gateway: { healthcheck: object; health_check?: object } };
  };
  assert.ok(valid(document), JSON.stringify(valid.errors));
  document.services.gateway.health_check = document.services.gateway.healthcheck;
  assert.ok(!valid(document));
});

test("every service of the file has a health check, limits and a program; together ours run every service, each once, with variables that are known", () => {
  const file = readCompose(COMPOSE, {});
  const raw = parse(readFileSync(COMPOSE, "utf8"), { merge: true }) as {
    services: Record<string, { deploy?: object }>;
  };
  const ours: string[] = [];
  for (const [name, service] of Object.entries(file.services)) {
    assert.ok(service.healthcheck, `${name} has a health check`);
    assert.ok(raw.services[name]?.deploy, `${name} has limits`);
    assert.ok(Object.hasOwn(images, service.image.replace(/:[^/]*$/, "")), `${name} has a program`);
    if (service.image !== "ganglion") continue;
    const environment = file.services[name]?.environment ?? {};
    const { NODE_ID, SERVICES } = readConfig(environment);
    assert.equal(NODE_ID, name);
    ours.push(...serviceFiles(SERVICES ?? []));
  }
  assert.deepEqual(ours.sort(), allServiceFiles());
});

test("npm run cluster starts the topology in the order of its health checks, all of it works, and SIGTERM ends every process", async (t) => {
  const child = spawn(process.execPath, ["bin/cluster.ts", "--data", join(folder, "data")], {
    cwd: root,
    env: { ...process.env, HTTP_PORT: "0", MQTT_PORT: "0", MQTT_WS_PORT: "0" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.after(() => child.kill("SIGTERM"));
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  await t.waitFor(() => assert.match(said, /^ready /m), { timeout: 240_000, interval: 100 });
  const at = (line: string) => {
    const index = said.indexOf(line);
    assert.notEqual(index, -1, `${line} in ${said}`);
    return index;
  };
  for (const [name, { depends_on: needed }] of Object.entries(without(readCompose(COMPOSE, {}), []).services))
    for (const other of Object.keys(needed))
      assert.ok(at(`healthy ${other}\n`) < at(`start ${name} pid`), `${other} before ${name}`);

  const [, http = "", device = ""] = /^ready (http:\S+) (mqtt:\S+) ws:\S+$/m.exec(said) ?? [];
  assert.match(http, /^http:\/\/127\.0\.0\.1:/);
  const rest = restClient(http);
  await rest.register("d");
  const client = await mqtt.connectAsync(device, {
    username: "d",
    password: await rest.credential("d"),
    reconnectPeriod: 0,
  });
  await client.publishAsync("devices/me/telemetry", '{"n":1}', { qos: 1 });
  await client.endAsync();
  await t.waitFor(async () => assert.equal((await rest.readings("d")).length, 1), WAIT);

  const pids = [...said.matchAll(/ pid (\d+)/g)].map(([, pid]) => Number(pid));
  assert.ok(pids.length >= 7);
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  assert.deepEqual(await ended, [0, null]);
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
});

test("npm run cluster says what it cannot start, and ends", () => {
  for (const [args, message] of [
    [["--without", "kafak"], /no service is called kafak/],
    [["--file", join(folder, "none.yml")], /none\.yml/],
  ] as const) {
    const { status, stderr } = spawnSync(process.execPath, ["bin/cluster.ts", ...args], {
      cwd: root,
      encoding: "utf8",
    });
    assert.equal(status, 1);
    assert.match(stderr, message);
    assert.equal(stderr.trim().split("\n").length, 1);
  }
});

test("the Dockerfile's steps, done one by one in an empty folder, make a platform that runs as another user than root", async (t) => {
  const {
    root: image,
    workdir,
    env,
    user,
    command,
    healthcheck,
  } = buildByHand(join(root, "Dockerfile"), root, join(folder, "image"), process.env);
  assert.notEqual(user, "root");
  for (const { instruction, words } of dockerfileSteps(join(root, "Dockerfile")))
    if (instruction === "FROM") assert.match(words, /^node:24-/);
  const cwd = join(image, workdir);
  const dataDir = join(image, String(env["DATA_DIR"]));
  const { PATH } = process.env;
  const variables = { ...env, PATH, DATA_DIR: dataDir, HTTP_PORT: "0", MQTT_PORT: "0", MQTT_WS_PORT: "0" };
  const [node, ...args] = command;
  assert.deepEqual([node, ...args], ["node", ...START_ARGUMENTS], "what npm start runs");
  const child = spawn(process.execPath, args, { cwd, env: variables, stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  await t.waitFor(() => assert.match(said, /^ready http:/m), { timeout: 30_000, interval: 50 });
  const [, http = ""] = /^ready (http:\S+)/m.exec(said) ?? [];
  assert.equal((await fetch(`${http}/health/ready`)).status, 200);
  const check = () => spawnSync(process.execPath, healthcheck.slice(1), { cwd, env: variables, encoding: "utf8" });
  assert.deepEqual([check().status, check().stdout], [0, "ready\n"]);
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  assert.deepEqual(await ended, [0, null]);
  assert.equal(check().status, 1);
});
