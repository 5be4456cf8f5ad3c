import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { closeDocumentStore, openDocumentStore } from "../../../lib/document-store.ts";
import { randomDocument, seededRandom } from "../../ports/document-store/random-queries.ts";
import type { RawCollection } from "../../ports/document-store/suite.ts";
import { mongoSettings, startMongo } from "../../support/engines/mongo.ts";
import { answerOf, copyState, sameState, stateOf } from "./differential/compare.ts";
import { leavesOf, type Operation, randomOperation, shapeOf, tame } from "./differential/operations.ts";
import known from "./known-divergences.json" with { type: "json" };

const SEEDS = Number(process.env["DIFFERENTIAL_SEEDS"] ?? 100);
const OPERATIONS = 60;
/** Of the embedded store: it does not do this at all, and says so. */
const NOT_SUPPORTED = 115;

const folder = mkdtempSync(join(tmpdir(), "ganglion-differential-"));
const server = await startMongo();
const embedded = await openDocumentStore({ file: join(folder, "documents.db"), synchronous: "NORMAL" });
const mongo = await openDocumentStore({ mongo: mongoSettings(server, "differential"), file: "", synchronous: "FULL" });
after(async () => {
  await closeDocumentStore(mongo);
  await closeDocumentStore(embedded);
  await server.stop();
  rmSync(folder, { recursive: true });
});

/** Of an operation whose filter has a test that differs by itself: that, and not all that stands beside it. */
async function leafThatDiffers({ filter }: Operation, ours: RawCollection, theirs: RawCollection) {
  for (const leaf of filter ? leavesOf(filter) : []) {
    const count: Operation = { name: "", given: leaf, run: (c) => c.countDocuments(leaf) };
    if (JSON.stringify(await answerOf(count, ours)) !== JSON.stringify(await answerOf(count, theirs)))
      return `filter ${shapeOf(leaf)}`;
  }
  return undefined;
}

test("the same operations have the same results and error codes on both engines, but for what is listed", async () => {
  const found = new Map<string, string>();
  let compared = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = seededRandom(seed);
    const kinds = seed % 4;
    const [ours, theirs] = [embedded, mongo].map((connection) => connection.db?.collection(`c${seed}`)) as [
      RawCollection,
      RawCollection,
    ];
    if (seed % 3 === 0)
      for (const one of [ours, theirs]) await one.createIndex({ u: 1 }, { unique: true, sparse: true });
    const documents = Array.from({ length: 40 }, (_, _id) => ({
      _id,
      ...(tame(randomDocument(random, kinds)) as object),
    }));
    for (const one of [ours, theirs]) await one.insertMany(documents as never[]);
    let id = 100;
    for (let step = 0; step < OPERATIONS; step++) {
      const operation = randomOperation(random, kinds, () => id++);
      const mine = await answerOf(operation, ours);
      const other = await answerOf(operation, theirs);
      if ("error" in mine && mine.error === NOT_SUPPORTED) {
        await copyState(ours, theirs);
        continue;
      }
      compared++;
      const differs = JSON.stringify(mine) !== JSON.stringify(other);
      const apart = !sameState(await stateOf(ours), await stateOf(theirs));
      if (!differs && !apart) continue;
      const how = differs
        ? `${"error" in mine ? mine.error : "result"} / ${"error" in other ? other.error : "result"}`
        : "documents";
      const leaf = apart ? undefined : await leafThatDiffers(operation, ours, theirs);
      const entry = leaf ?? `${operation.name}: ${how}`;
      const example = `seed ${seed}, step ${step}: ${JSON.stringify(operation.given)}: ${JSON.stringify(mine)} / ${JSON.stringify(other)}`;
      if (!found.has(entry)) found.set(entry, example);
      if (apart) await copyState(ours, theirs);
    }
  }
  console.log(`${compared} operations compared, ${found.size} kinds of divergence`);
  const listed = new Set(known.differential.map(({ entry }: { entry: string }) => entry));
  const unlisted = [...found].filter(([entry]) => !listed.has(entry)).map((one) => one.join("\n    "));
  const gone = [...listed].filter((entry) => !found.has(entry));
  assert.deepEqual({ unlisted, gone }, { unlisted: [], gone: [] });
});
