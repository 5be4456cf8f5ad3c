import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { closeDocumentStore, type DocumentStoreOptions, openDocumentStore } from "../../../lib/document-store.ts";
import { JtiWindow } from "../../../lib/tokens/jti-window.ts";
import { ProofStore } from "../../../services/gateway/proof-store.ts";

/** What gateways rely on that share the proofs they have accepted, on each engine of the document store. */
export const proofStoreSuite = (name: string, options: DocumentStoreOptions): void => {
  const open = (seconds = 65) => ProofStore.open(options, new JtiWindow(seconds, 10_000), seconds);

  describe(`the store of proofs on ${name}`, () => {
    test("of ten at once, in several gateways, one is first; twenty rounds", async () => {
      const stores = [await open(), await open(), await open()];
      for (let round = 0; round < 20; round++) {
        const key = randomUUID();
        const all = await Promise.all(Array.from({ length: 10 }, (_, index) => stores[index % 3]?.first(key)));
        assert.equal(all.filter(Boolean).length, 1, `round ${round}`);
      }
      await Promise.all(stores.map((store) => store.close()));
    });

    test("a proof is remembered over a restart, and the secret of the nonces stays", async () => {
      const before = await open();
      const key = randomUUID();
      assert.equal(await before.first(key), true);
      await before.close();
      const again = await open();
      assert.equal(await again.first(key), false);
      assert.deepEqual(again.secret, before.secret);
      assert.equal(before.secret.length, 32);
      await again.close();
    });

    test("what is kept is a hash and when it ends: twice as long as a proof may be valid", async () => {
      const store = await open(65);
      const key = `thumbprint.${randomUUID()}`;
      const begun = Date.now();
      await store.first(key);
      await store.close();
      const documents = await openDocumentStore(options);
      const all = await documents.collection("dpop-proofs").find({}).toArray();
      assert.equal(JSON.stringify(all).includes("thumbprint"), false);
      const latest = Math.max(...all.map(({ expireAt }) => (expireAt as Date).getTime()));
      assert.ok(latest >= begun + 130_000 && latest <= Date.now() + 130_000);
      const indexes = await documents.collection("dpop-proofs").indexes();
      assert.ok(indexes.some(({ expireAfterSeconds }) => expireAfterSeconds === 0));
      await closeDocumentStore(documents);
    });

    test("a store that is closed lets no proof pass", async () => {
      const store = await open();
      await store.close();
      await assert.rejects(store.first(randomUUID()));
    });
  });
};
