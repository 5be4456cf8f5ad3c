import assert from "node:assert/strict";
import type { RawCollection, RawDocument, Store } from "./suite.ts";

/** Documents of 7 devices; several share a time. */
async function readings(store: Store): Promise<RawCollection> {
  const collection = await store.seed();
  const document = (i: number) => ({ _id: i, d: i % 7, ts: new Date(1e12 + Math.floor(i / 3) * 1000) });
  for (let batch = 0; batch < store.thousands; batch++)
    await collection.insertMany(Array.from({ length: 1000 }, (_, i) => document(batch * 1000 + i)) as never[]);
  return collection;
}

export function cursorRules(store: Store): void {
  const { test, thousands } = store;
  const count = thousands * 1000;
  for (const indexed of [false, true]) {
    const suffix = indexed ? ", with an index" : "";

    test(`a cursor gives thousands of documents exactly once, in order${suffix}`, async () => {
      const collection = await readings(store);
      if (indexed) await collection.createIndex({ d: 1, ts: 1 });
      const found: { _id: number; d: number; ts: Date }[] = [];
      for await (const document of collection.find({ d: { $gte: 0 } }).sort({ d: 1, ts: 1 }))
        found.push(document as never);
      assert.equal(new Set(found.map(({ _id }) => _id)).size, count);
      for (const [i, { d, ts }] of found.entries()) {
        const previous = found[i - 1];
        assert.ok(!previous || d > previous.d || (d === previous.d && ts >= previous.ts));
      }
    });

    test(`paging by sort and _id meets thousands of documents exactly once, while others are written${suffix}`, async () => {
      const collection = await readings(store);
      if (indexed) await collection.createIndex({ ts: -1, _id: -1 });
      const seen: unknown[] = [];
      let after: { ts: Date; _id: number } | undefined;
      for (;;) {
        const filter = after ? { $or: [{ ts: { $lt: after.ts } }, { ts: after.ts, _id: { $lt: after._id } }] } : {};
        const page = await collection
          .find(filter as never)
          .sort({ ts: -1, _id: -1 })
          .limit(997)
          .toArray();
        if (page.length === 0) break;
        seen.push(...page.map(({ _id }) => _id));
        after = page.at(-1) as never;
        // Newer than every page: must not disturb those that follow.
        await collection.insertOne({ _id: 1e6 + seen.length, d: 0, ts: new Date(2e12) } as never);
      }
      assert.deepEqual(
        seen,
        Array.from({ length: count }, (_, i) => count - 1 - i),
      );
    });

    test(`a cursor left open while documents come and go gives the untouched ones once${suffix}`, async () => {
      const collection = await readings(store);
      if (indexed) await collection.createIndex({ d: 1 });
      const cursor = collection.find({ d: { $lt: 6 } }).batchSize(100);
      const seen = new Map<unknown, number>();
      for (let i = 0; i < 150; i++) {
        const document = await cursor.next();
        seen.set(document?._id, (seen.get(document?._id) ?? 0) + 1);
      }
      await collection.deleteMany({ d: 3 });
      await collection.insertMany(Array.from({ length: 50 }, (_, i) => ({ _id: 20_000 + i, d: 1 })) as never[]);
      for await (const { _id } of cursor) seen.set(_id, (seen.get(_id) ?? 0) + 1);
      for (let i = 0; i < count; i++) if (i % 7 < 6 && i % 7 !== 3) assert.equal(seen.get(i), 1, `document ${i}`);
      assert.equal(Math.max(...seen.values()), 1);
    });
  }

  test("next, hasNext, toArray, forEach, map and streams agree", async () => {
    const collection = await store.seed(...Array.from({ length: 25 }, (_, n) => ({ n })));
    const cursor = collection.find({}, { batchSize: 4 }).sort({ n: -1 });
    assert.equal(await cursor.hasNext(), true);
    assert.equal((await cursor.next())?.["n"], 24);
    assert.equal((await cursor.toArray()).length, 24);
    assert.equal(await cursor.next(), null);
    const mapped = await collection
      .find()
      .sort({ n: 1 })
      .limit(3)
      .map(({ n }) => n * 2)
      .toArray();
    assert.deepEqual(mapped, [0, 2, 4]);
    const visited: number[] = [];
    // A cursor's forEach ends at the first false.
    const visit = (document: RawDocument) => visited.push(Number(document["n"])) < 6;
    await collection.find().sort({ n: 1 }).forEach(visit);
    assert.deepEqual(visited, [0, 1, 2, 3, 4, 5]);
    let streamed = 0;
    for await (const _ of collection.find({ n: { $lt: 10 } }).stream()) streamed++;
    assert.equal(streamed, 10);
    const limited = collection.find().sort({ n: 1 }).skip(20).limit(7).batchSize(2);
    assert.deepEqual(
      (await limited.toArray()).map(({ n }) => n),
      [20, 21, 22, 23, 24],
    );
    const rest = [];
    for await (const { n } of collection.find().sort({ n: 1 }).skip(3).limit(7).batchSize(2)) rest.push(n);
    assert.deepEqual(rest, [3, 4, 5, 6, 7, 8, 9]);
  });
}
