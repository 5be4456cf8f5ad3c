import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import mongoose, { type Connection, type mongo } from "mongoose";
import { shareMongo } from "../../../lib/mongo/shared-client.ts";
import { deadLetterModel } from "../../../services/dead-letters/dead-letter.model.ts";
import { LetterStore } from "../../../services/dead-letters/letter-store.ts";
import { deviceModel } from "../../../services/device-registry/device.model.ts";
import { searchDevices } from "../../../services/device-registry/device-search.ts";
import { deviceTypeModel } from "../../../services/device-registry/device-type.model.ts";
import { DeviceTypes } from "../../../services/device-registry/device-types.ts";
import { Devices } from "../../../services/device-registry/devices.ts";
import { rejectionModel } from "../../../services/telemetry/consumers/rejection.model.ts";
import { findRejection, oldestRejections } from "../../../services/telemetry/consumers/rejection-store.ts";
import { MongoReadingStore } from "../../../services/telemetry/reading-store/mongo.ts";
import { all, DEVICE, FUNCTIONS, message, SECOND, T0 } from "../../ports/reading-store/suite/subject.ts";
import { type MongoServer, mongoSettings, startMongo } from "../../support/engines/mongo.ts";
import known from "./known-divergences.json" with { type: "json" };

type Command = Record<string, unknown>;
interface Stage {
  stage?: string;
  inputStage?: Stage;
  inputStages?: Stage[];
}

let server: MongoServer;
let connection: Connection;
const commands: Command[] = [];
before(async () => {
  server = await startMongo();
  connection = await mongoose.createConnection(`${server.url}/indexes`, { monitorCommands: true }).asPromise();
  connection.getClient().on("commandStarted", ({ commandName, command }) => {
    if (["find", "aggregate"].includes(commandName)) commands.push(command as Command);
  });
});
after(async () => {
  await connection?.close();
  await server?.stop();
});

/** What the server does for each query that is sent meanwhile. */
async function plansOf(work: () => Promise<unknown>, db: mongo.Db): Promise<string[]> {
  commands.length = 0;
  await work();
  const sent = commands.splice(0);
  assert.ok(sent.length > 0, "nothing was asked");
  return Promise.all(
    sent.map(async ({ lsid, $clusterTime, $db, txnNumber, ...explain }) => {
      const told = await db.command({ explain, verbosity: "queryPlanner" });
      const cursor = (told["stages"] as { $cursor?: Command }[] | undefined)?.[0]?.$cursor;
      const { winningPlan } = ((told["queryPlanner"] ?? cursor?.["queryPlanner"]) as { winningPlan: Stage }) ?? {};
      return stagesOf(winningPlan).join(" ");
    }),
  );
}

const stagesOf = ({ stage, inputStage, inputStages = [] }: Stage): string[] => [
  stage ?? "",
  ...(inputStage ? stagesOf(inputStage) : []),
  ...inputStages.flatMap(stagesOf),
];

const at = new Date(1.7e12);
const many = <T>(make: (n: number) => T) => Array.from({ length: 200 }, (_, n) => make(n));

test("every query of the models goes along an index that init has made, but those that are listed", async (t) => {
  const db = connection.db as mongo.Db;
  const devices = deviceModel(connection);
  const types = deviceTypeModel(connection);
  const letters = deadLetterModel(connection);
  const rejections = rejectionModel(connection);
  await Promise.all([devices, types, letters, rejections].map((model) => model.init()));
  const ids = (n: number) => ({ tenantId: `t${n % 3}`, deviceId: `d${n}` });
  await db
    .collection("devices")
    .insertMany(
      many((n) => ({ _id: `t${n % 3}/d${n}` as never, ...ids(n), type: "x", groups: [], tags: [], sessionEpoch: 0 })),
    );
  await db
    .collection("device-types")
    .insertMany(many((n) => ({ _id: `t${n % 3}/x${n}` as never, tenantId: `t${n % 3}`, typeId: `x${n}` })));
  await db.collection("dead-letters").insertMany(
    many((n) => ({
      _id: `t${n % 3}/l${n}` as never,
      ...ids(n),
      letterId: `l${n}`,
      channel: "c",
      group: "g",
      deadAt: at,
    })),
  );
  await db
    .collection("rejected-messages")
    .insertMany(many((n) => ({ _id: `t${n % 3}/r${n}` as never, ...ids(n), rejectionId: `r${n}`, receivedAt: n })));

  const readings = new MongoReadingStore(await shareMongo(mongoSettings(server, "indexes")));
  t.after(() => readings.close());
  await readings.write(many((n) => message(T0 + n * SECOND, n, { a: n })));
  // Its queries are sent by another client: here they are asked of this one.
  const watched = new MongoReadingStore({ db, release: async () => {} } as never);

  const store = new LetterStore(letters);
  const registry = new Devices(devices);
  const search = { tenantId: "t1", after: "d1", matches: () => true, limit: 10, examinedMax: 1000 };
  const queries: Record<string, () => Promise<unknown>> = {
    "device by id": () => registry.find("t1", "d1"),
    "devices of a tenant": () => searchDevices(devices, { ...search, type: undefined }),
    "devices of a type": () => searchDevices(devices, { ...search, type: "x" }),
    "devices in deletion": () => registry.deleting(at, 10),
    "types of a tenant": () => new DeviceTypes(types, registry).list("t1", undefined, 10),
    "latest dead letters": () => store.latest("t1", {}, [at.getTime(), "t1/l1"], 10),
    "dead letters of a device": () => store.latest("t1", { deviceId: "d1" }, undefined, 10),
    "oldest dead letters of a group": () => store.oldest("t1", { channel: "c", group: "g" }, 10),
    "dead letters by id": () => store.load([{ _id: "t1/l1" }]),
    "number of a group's dead letters": () => letters.countDocuments({ channel: "c", group: "g" }),
    "rejected message by id": () => findRejection(rejections, "t1", "r1"),
    "oldest rejected messages": () => oldestRejections(rejections, "t1", {}, 10),
    "rejected messages of a device": () => oldestRejections(rejections, "t1", { deviceId: "d1" }, 10),
    "range of readings": () => watched.range({ ...all, from: T0, to: T0 + 5 * SECOND, limit: 10 }),
    "aggregates of readings": () =>
      watched.aggregate({ ...all, limit: 3, interval: { micros: 10 * SECOND }, functions: FUNCTIONS }),
    "newest readings": () => watched.newest(DEVICE),
    "whether there is a reading": () => watched.has(DEVICE),
    "devices with readings": () => watched.devices({ after: DEVICE, limit: 10 }),
  };
  const scanned: string[] = [];
  const told: Record<string, string[]> = {};
  for (const [name, query] of Object.entries(queries)) {
    const plans = await plansOf(query, db);
    told[name] = plans;
    if (plans.some((plan) => plan === "" || plan.includes("COLLSCAN"))) scanned.push(name);
  }
  assert.deepEqual(scanned, Object.keys(known.scanned), JSON.stringify(told, null, 1));
});
