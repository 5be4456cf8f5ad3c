import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { connect } from "amqplib";
import mongoose from "mongoose";
import { itemOf } from "../../lib/channels/rabbitmq/item.ts";
import { closeDocumentStore, openDocumentStore } from "../../lib/document-store.ts";
import { startKafka } from "../support/engines/kafka.ts";
import { type MongoServer, mongoVersion, startMongo } from "../support/engines/mongo.ts";
import type { Engine } from "../support/engines/process.ts";
import { freePort } from "../support/engines/process.ts";
import { type RabbitMq, startRabbitMq } from "../support/engines/rabbitmq.ts";
import { type Platform, startPlatform } from "../support/platform.ts";
import { unless } from "../support/requirements.ts";
import { restClient } from "../support/rest.ts";
import { fillSource, LEFT, LETTERS, MESSAGES } from "./migration-source.ts";

const skip = unless("recordings");
const WAIT = { timeout: 60_000, interval: 500 };
const DECLARED = new URL("../support/declared-work.ts", import.meta.url).href;
const root = fileURLToPath(new URL("../..", import.meta.url));
/** One reading has an id of its own; three are dead letters, three more were rejected. */
const READINGS = MESSAGES + 1;

const folder = mkdtempSync(join(tmpdir(), "ganglion-migrate-"));
const source = join(folder, "source");
let kafka: Engine | undefined;
let rabbitmq: RabbitMq | undefined;
let mongo: MongoServer | undefined;
before(async () => {
  if (skip) return;
  console.log(mongoVersion());
  // One after the other: what has started is there to be ended, whichever fails.
  kafka = await startKafka();
  rabbitmq = await startRabbitMq();
  mongo = await startMongo({ storage: join(folder, "mongo"), args: ["--sync-on-commit"] });
});
after(async () => {
  await Promise.all([kafka?.dispose(), rabbitmq?.dispose(), mongo?.stop()]);
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});

/** Variables of a platform that is alone on the engines. */
const engines = (name: string): Record<string, string> => ({
  KAFKA_BROKERS: `127.0.0.1:${kafka?.port}`,
  RABBITMQ_URL: String(rabbitmq?.url),
  MONGO_URL: `${mongo?.url}/${name}`,
  NAMESPACE: name,
  // SecantusDB reads a whole collection for a query, one query at a time.
  MONGO_TIMEOUT_SECONDS: "60",
  LOG_LEVEL: "warn",
});

/** A copy of the source, for one test to use up. */
function copyOf(name: string): string {
  const copy = join(folder, name);
  cpSync(source, copy, { recursive: true });
  return copy;
}

interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

function start(env: Record<string, string>): { child: ChildProcess; ran: Promise<Ran>; output(): string } {
  const child = spawn(process.execPath, ["--disable-warning=TimeoutNegativeWarning", "bin/migrate.ts"], {
    cwd: root,
    env: { ...process.env, NODE_OPTIONS: `--import=${DECLARED}`, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const ran = once(child, "close").then(([code]) => ({ code: code as number | null, stdout, stderr }));
  return { child, ran, output: () => stdout };
}
const migrate = (env: Record<string, string>): Promise<Ran> => start(env).ran;

/** One line, no stack, exit code 1. */
function refused({ code, stderr }: Ran, why: RegExp): void {
  assert.equal(code, 1, stderr);
  assert.match(stderr, why);
  assert.equal(stderr.trim().split("\n").length, 1, stderr);
}

/** SecantusDB adds up blindly, so that the last digits of a sum differ; the command compares the readings themselves. */
const rounded = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value), (key, one: unknown) =>
    typeof one === "number" && ["sum", "avg"].includes(key) ? Number(one.toPrecision(11)) : one,
  );

/** All that REST tells of the data, once every fact is consumed. */
async function told(t: TestContext, platform: Pick<Platform, "http">) {
  const rest = restClient(platform.http);
  const { items: devices } = (await rest.request("GET", "/v1/devices")) as { items: { id: string }[] };
  const all = { interval: "P36525D", aggregate: ["count", "sum", "min", "max", "avg", "first", "last"] as never };
  const aggregatesOf = async () => Promise.all(devices.map(({ id }) => rest.aggregates(id, all)));
  let aggregates = await aggregatesOf();
  await t.waitFor(async () => {
    aggregates = await aggregatesOf();
    const left = aggregates.flat().reduce((sum, { metrics }) => sum + Number(metrics["left"]?.count ?? 0), 0);
    assert.equal(left, LEFT);
  }, WAIT);
  const newestOf = async () =>
    Promise.all(devices.map(({ id }) => rest.request("GET", `/v1/devices/${encodeURIComponent(id)}/latest`)));
  const lettersOf = async () => (await rest.request("GET", "/v1/dead-letters")) as { items: { id: string }[] };
  await t.waitFor(async () => {
    assert.match(JSON.stringify(await newestOf()), new RegExp(`"value":${String((LEFT - 1) / 7).slice(0, 12)}`));
    assert.equal((await lettersOf()).items.length, LETTERS);
  }, WAIT);
  const letters = await lettersOf();
  const [first] = devices;
  const path = `/v1/devices/${encodeURIComponent(String(first?.id))}`;
  return {
    ...{ devices, letters, aggregates: rounded(aggregates) },
    letter: await rest.request("GET", `/v1/dead-letters/${letters.items[0]?.id}`),
    rejected: await rest.rejected(),
    newest: await newestOf(),
    config: await Promise.all(
      devices.map(({ id }) =>
        rest.request("GET", `/v1/devices/${encodeURIComponent(id)}/config`).catch(({ status }) => status),
      ),
    ),
    credentials: await rest.request("GET", `${path}/credentials`),
    types: await rest.request("GET", "/v1/device-types"),
    audit: await rest.request("GET", "/v1/audit?limit=100"),
    range: await rest.readings(String(first?.id), { from: "2023-11-14T00:00:00Z" }),
  };
}

test("a data folder is moved to Kafka, RabbitMQ and MongoDB; the platform on them tells what the embedded one told", {
  skip,
  timeout: 400_000,
}, async (t) => {
  await fillSource(t, source);
  const dataDir = copyOf("moved");
  const env = { DATA_DIR: dataDir, ...engines("moved") };
  const { code, stdout, stderr } = await migrate(env);
  assert.equal(code, 0, stdout + stderr);
  assert.equal(stderr, "");
  for (const line of [
    /^ {2}documents of devices: 3 here, 3 there, equal$/m,
    new RegExp(`^  readings \\(.*\\): ${READINGS} of 3 devices here, ${READINGS} of 3 devices there, equal$`, "m"),
    /^ {2}names of readings: 1 here, 1 there, equal$/m,
    /^ {2}devices with newest values: 3 here, 3 there, equal$/m,
    new RegExp(
      `^  facts of moved.telemetry.received that group store has to consume: ${LEFT} here, ${LEFT} there, equal$`,
      "m",
    ),
    new RegExp(
      `^  facts of moved.telemetry.received that group latest has to consume: ${LEFT / 2} here, ${LEFT / 2} there, equal$`,
      "m",
    ),
    /^ {2}facts of moved.telemetry.received.dead that group dead-letters has to consume: 1 here, 1 there, equal$/m,
    /^ {2}items and dead letters of jobs: 5 here, 5 there, equal$/m,
    /^sessions.db stays in DATA_DIR: /m,
  ])
    assert.match(stdout, line);

  const embedded = await startPlatform({ dataDir: copyOf("embedded"), env: { LOG_LEVEL: "warn" }, readyMs: 60_000 });
  t.after(() => embedded.kill());
  const expected = await told(t, embedded);
  assert.equal((await embedded.stop()).code, 0);

  const platform = await startPlatform({ env, dataDir, readyMs: 60_000 });
  t.after(() => platform.kill());
  const found = await told(t, platform);
  for (const key of Object.keys(expected) as (keyof typeof expected)[])
    assert.deepEqual(found[key], expected[key], key);

  // Its name was moved: the same reading, sent again, is no other one.
  const rest = restClient(platform.http);
  const path = `/v1/devices/${encodeURIComponent(String(found.devices[0]?.id))}`;
  await rest.request("POST", `${path}/readings`, { readings: [{ id: "once", values: { door: "open", count: 1 } }] });
  await rest.request("POST", `${path}/readings`, { readings: [{ id: "twice", values: { door: "shut" } }] });
  await t.waitFor(async () => {
    const doors = await rest.readings(String(found.devices[0]?.id), { metrics: "door" });
    assert.deepEqual(
      doors.map(({ values }) => values["door"]),
      ["open", "shut"],
    );
  }, WAIT);
  assert.equal((await platform.stop()).code, 0);
});

test("items of work come with what is left of their delay and their life, with their key, headers and deliveries", {
  skip,
}, async (t) => {
  const connection = await connect(String(rabbitmq?.url));
  t.after(() => connection.close());
  const channel = await connection.createChannel();
  const itemsOf = async (queue: string) => {
    const items = [];
    for (let got = await channel.get(queue); got; got = await channel.get(queue)) {
      const { key, headers, deadline, deliveries, due } = itemOf(got as never, Date.now());
      assert.deepEqual([key, headers["x-of"]], ["k", "a test"]);
      const minutes = (at: number | null) => at && at > 0 && Math.round((at - Date.now()) / 600_000) * 10;
      items.push({
        value: JSON.parse(String(got.content)) as unknown,
        deadline: minutes(deadline),
        due: minutes(due),
        deliveries,
      });
    }
    return items;
  };
  // A delivery counts when it happens, this one too.
  assert.deepEqual(await itemsOf("moved.jobs"), [
    { value: { n: 1 }, deadline: null, due: 0, deliveries: 2 },
    { value: { n: 3 }, deadline: 60, due: 0, deliveries: 1 },
    { value: { n: 4 }, deadline: null, due: 0, deliveries: 1 },
  ]);
  assert.deepEqual(await itemsOf("moved.jobs.dead"), [{ value: { n: 0 }, deadline: null, due: 0, deliveries: 1 }]);
  const delayed = String(rabbitmq?.control("list_queues", "name", "messages"))
    .split("\n")
    .map((row) => row.split("\t"))
    .filter(([name = "", messages]) => name.startsWith("moved.jobs.delay.") && messages === "1");
  assert.equal(delayed.length, 1, "the item that is not due yet waits in a delay queue");
});

test("a repeated run copies nothing and compares; it finds what was changed there: a reading, a document, and who has a mark", {
  skip,
  timeout: 200_000,
}, async (t) => {
  const dataDir = copyOf("changed");
  const store = await openDocumentStore({ file: join(dataDir, "documents.db"), synchronous: "FULL" });
  const expired = { _id: "expired", kind: "invitation", email: "a@b.example", roles: [], expiresAt: new Date(1e12) };
  await store.db?.collection("user-links").insertOne(expired as never);
  await closeDocumentStore(store);
  const env = { DATA_DIR: dataDir, MONGO_URL: engines("changed")["MONGO_URL"] as string, MONGO_TIMEOUT_SECONDS: "60" };
  const first = await migrate(env);
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stdout, /^facts.db stays in DATA_DIR$/m);
  const client = await new mongoose.mongo.MongoClient(`${mongo?.url}/changed`).connect();
  t.after(() => client.close());
  const db = client.db();

  // As the server does with what has expired, sooner than the file.
  await db.collection("user-links").deleteMany({});
  assert.equal((await migrate(env)).code, 0);

  const readings = db.collection<{ v: Record<string, unknown> }>("readings");
  const reading = (await readings.findOne({})) as unknown as { _id: object; v: Record<string, unknown> };
  const field = String(Object.keys(reading.v).find((name) => typeof reading.v[name] === "number"));
  const { [field]: value } = reading.v;
  const filter = { _id: reading._id as never };
  await readings.updateOne(filter, { $set: { [`v.${field}`]: Number(value) + 1e-9 } });
  const changed = await migrate(env);
  refused(
    changed,
    /^ganglion: not the same on both sides: readings of default\/[\w:]+, metric "\w+": (sum|min|max) \S+ here, \S+ there\n$/,
  );
  assert.match(changed.stdout, /^readings: moved to .*, compared only$/m);
  assert.match(changed.stdout, /^ {2}readings .* NOT EQUAL$/m);
  await readings.updateOne(filter, { $set: { [`v.${field}`]: value } });
  assert.equal((await migrate(env)).code, 0);

  await readings.deleteOne(filter);
  refused(await migrate(env), /metric "\w+": count \d+ here, \d+ there/);
  await readings.insertOne(reading as never);
  await db.collection("devices").updateOne({}, { $set: { name: "another" } });
  refused(await migrate(env), /document of devices default\/[\w:]+: is another one there\n$/);
});

test("another folder's data, other data and a platform that runs are refused, and so is what cannot be moved; nothing is changed", {
  skip,
  timeout: 200_000,
}, async (t) => {
  const url = engines("changed")["MONGO_URL"] as string;
  refused(
    await migrate({ DATA_DIR: copyOf("second"), MONGO_URL: url }),
    /MongoDB at .*\/changed has the data of another migration/,
  );

  const { KAFKA_BROKERS, RABBITMQ_URL } = engines("moved") as Record<string, string>;
  const dataDir = copyOf("refused");
  const namespaced = { DATA_DIR: dataDir, NAMESPACE: "moved" };
  refused(
    await migrate({ ...namespaced, KAFKA_BROKERS: String(KAFKA_BROKERS) }),
    /Kafka at .* is not empty: its topic moved\.telemetry\.received has messages/,
  );
  refused(
    await migrate({ ...namespaced, RABBITMQ_URL: `${RABBITMQ_URL}` }),
    /RabbitMQ at .* is not empty: its channel jobs has items/,
  );
  refused(await migrate({ DATA_DIR: dataDir }), /nowhere to move to: set MONGO_URL, KAFKA_BROKERS or RABBITMQ_URL/);
  refused(await migrate({ DATA_DIR: join(folder, "none"), MONGO_URL: url }), /DATA_DIR .*none holds no data/);
  refused(
    await migrate({ DATA_DIR: dataDir, MONGO_URL: `mongodb://127.0.0.1:${await freePort()}/x` }),
    /MongoDB \(127\.0\.0\.1:\d+\) cannot be used/,
  );
  refused(
    await migrate({ DATA_DIR: dataDir, KAFKA_BROKERS: `127.0.0.1:${await freePort()}` }),
    /Kafka at \S+ cannot be used/,
  );
  refused(
    await migrate({ DATA_DIR: dataDir, RABBITMQ_URL: `amqp://u:secret@127.0.0.1:${await freePort()}` }),
    /RabbitMQ at 127\.0\.0\.1:\d+ cannot be used: (?!.*secret)/,
  );

  const platform = await startPlatform({ dataDir, readyMs: 60_000 });
  t.after(() => platform.kill());
  refused(await migrate({ DATA_DIR: dataDir, MONGO_URL: url }), /is in use by process \d+/);
});

const KILLED = new URL("../support/killed-migration.ts", import.meta.url).href;

test("killed again and again, in the middle of documents, readings, facts and work, it goes on: everything is there once", {
  skip,
  timeout: 400_000,
}, async () => {
  const env = { DATA_DIR: copyOf("killed"), ...engines("killed") };
  const NODE_OPTIONS = `--import=${DECLARED} --import=${KILLED}`;
  for (const MIGRATION_KILLED of [
    "bulkWrite 1",
    "bulkWrite 3",
    "write 2",
    "write 5",
    "send 1",
    "send 2",
    "place 2",
    "put 2",
  ]) {
    const { child, ran } = start({ ...env, NODE_OPTIONS, MIGRATION_KILLED });
    const { stdout, stderr } = await ran;
    assert.equal(child.signalCode, "SIGKILL", `${MIGRATION_KILLED}: ${stdout}${stderr}`);
  }
  const { code, stdout, stderr } = await migrate(env);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, new RegExp(`${READINGS} of 3 devices here, ${READINGS} of 3 devices there, equal$`, "m"));
  assert.match(stdout, new RegExp(`received that some group has to consume: ${LEFT} here, ${LEFT} there, equal$`, "m"));
  assert.match(stdout, /jobs: 5 here, 5 there, equal$/m);
});

test("an engine that goes away in the middle ends it with one line; with the engine back it goes on to the same end", {
  skip,
  timeout: 400_000,
}, async () => {
  const storage = join(folder, "lost");
  const [server, kafkaAway] = [await startMongo({ storage, args: ["--sync-on-commit"] }), kafka as Engine];
  const env = {
    ...{ DATA_DIR: copyOf("lost-source"), ...engines("lost"), MONGO_URL: `${server.url}/lost` },
    ...{ MONGO_SELECTION_SECONDS: "1", MONGO_TIMEOUT_SECONDS: "20" },
  };
  const first = start(env);
  while (!/^readings: to/m.test(first.output())) await sleep(10);
  await sleep(300);
  server.process.signal("SIGKILL");
  await server.process.ended;
  refused(await first.ran, /^ganglion: .*(unavailable|MongoDB|ECONNREFUSED|connection)/i);
  const again = await startMongo({ storage, args: ["--sync-on-commit"], port: server.port });
  try {
    const second = start(env);
    while (!/^facts: to/m.test(second.output())) await sleep(10);
    await kafkaAway.kill();
    refused(await second.ran, /^ganglion: Kafka at \S+ does not answer: /);
    await kafkaAway.start();
    const { code, stdout, stderr } = await migrate(env);
    assert.equal(code, 0, stdout + stderr);
    assert.match(
      stdout,
      new RegExp(`received that some group has to consume: ${LEFT} here, ${LEFT} there, equal$`, "m"),
    );
  } finally {
    await again.stop();
  }
});
