import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Connection } from "mongoose";
import { KeySets } from "../../../services/oauth/keys/key-sets.ts";
import { Clients } from "../../../services/oauth/storage/clients.ts";
import { RecordAdapter } from "../../../services/oauth/storage/record-adapter.ts";
import { openStores, type Stores } from "../../../services/oauth/storage/stores.ts";

const ROUNDS = 20;
const AT_ONCE = 10;
const key = randomBytes(32);

/** @param open connections of two nodes to one store */
export function oauthStorageSuite(engine: string, open: (t: TestContext) => Promise<[Connection, Connection]>): void {
  const nodes = async (t: TestContext): Promise<[Stores, Stores]> => {
    const [one, another] = await open(t);
    return [await openStores(one, () => {}), await openStores(another, () => {})];
  };
  const atOnce = <T>(nodes: readonly Stores[], work: (stores: Stores) => Promise<T>) =>
    Promise.allSettled(Array.from({ length: AT_ONCE }, (_, i) => work(nodes[i % nodes.length] as Stores)));

  describe(`storage of the authorization server on ${engine}`, () => {
    for (const kind of ["AuthorizationCode", "RefreshToken", "DeviceCode"])
      test(`of ten that use up one ${kind} at once one succeeds, and the grant has ended, ${ROUNDS} times`, async (t) => {
        const stores = await nodes(t);
        for (let round = 0; round < ROUNDS; round++) {
          const [id, grantId] = [randomUUID(), randomUUID()];
          const adapter = new RecordAdapter(stores[0].records, kind);
          const grants = new RecordAdapter(stores[0].records, "Grant");
          await grants.upsert(grantId, { accountId: "a" }, 60);
          await adapter.upsert(id, { grantId, jti: id }, 60);
          const results = await atOnce(stores, ({ records }) => new RecordAdapter(records, kind).consume(id));
          assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
          for (const result of results)
            if (result.status === "rejected") assert.equal(result.reason.error, "invalid_grant");
          assert.equal(await adapter.find(id), undefined);
          assert.equal(await grants.find(grantId), undefined);
        }
      });

    test("what was used up a moment ago may be made unused again, what was used up before that not", async (t) => {
      const [{ records }] = await nodes(t);
      const adapter = new RecordAdapter(records, "RefreshToken");
      await adapter.upsert("token", { jti: "token" }, 60);
      await adapter.consume("token");
      const now = Math.floor(Date.now() / 1000);
      await adapter.release("token", now + 5);
      await assert.rejects(adapter.consume("token"), { error: "invalid_grant" });
      await adapter.release("token", now - 5);
      await adapter.consume("token");
    });

    test(`of ten that add one key at once one is told that it was first, ${ROUNDS} times`, async (t) => {
      const stores = await nodes(t);
      for (let round = 0; round < ROUNDS; round++) {
        const results = await atOnce(stores, ({ state }) => state.add(`key-${round}`, 1, 60));
        assert.deepEqual(results.map((result) => result.status === "fulfilled" && result.value).sort(), [
          ...Array.from({ length: AT_ONCE - 1 }, () => false),
          true,
        ]);
      }
    });

    test("what has ended is not there, and may be added again before it is swept", async (t) => {
      const [{ state }] = await nodes(t);
      assert.equal(await state.add("k", 1, 0.2), true);
      assert.equal(await state.get("k"), 1);
      await sleep(300);
      assert.equal(await state.get("k"), undefined);
      assert.equal(await state.add("k", 2, 60), true);
      assert.equal(await state.add("k", 3, 60), false);
      assert.equal(await state.get("k"), 2);
    });

    test("one at a time holds a lock; who waits too long is told", async (t) => {
      const stores = await nodes(t);
      let [inside, most] = [0, 0];
      const work = async () => {
        most = Math.max(most, ++inside);
        await sleep(5);
        inside--;
      };
      const busy = () => new Error("busy");
      const results = await atOnce(stores, ({ state }) => state.exclusively("lock", 20, busy, work));
      assert.ok(results.every(({ status }) => status === "fulfilled"));
      assert.equal(most, 1);
      await assert.rejects(
        stores[0].state.exclusively("held", 0.3, busy, () => stores[1].state.exclusively("held", 0.1, busy, work)),
        { message: "busy" },
      );
    });

    test("nodes that begin at once have the same signing keys; one that has another key says so", async (t) => {
      const [one, another] = await nodes(t);
      const schedule = { signsMs: 1e9, publishedAheadMs: 1000, keptMs: 1000 };
      const sets = [one, another].map(({ keys }) => new KeySets(keys, key, schedule));
      const loaded = await Promise.all(sets.map((set) => set.load()));
      assert.deepEqual(loaded[0], loaded[1]);
      assert.deepEqual(loaded[0]?.keys.map(({ alg }) => alg).sort(), ["ES256", "EdDSA", "RS256"]);
      const [stored] = await one.keys.find({}).lean();
      assert.ok(!stored?.sealed.includes(String(loaded[0]?.keys[0]?.["d"])));
      await assert.rejects(new KeySets(one.keys, randomBytes(32), schedule).load(), /sealed by another key: OAUTH_KEY/);
    });

    test("no bearer value and no secret is stored in clear", async (t) => {
      const [{ records, clients: model }] = await nodes(t);
      const kinds = [
        ...["AccessToken", "AuthorizationCode", "RefreshToken", "InitialAccessToken"],
        ...["RegistrationAccessToken", "PushedAuthorizationRequest"],
      ];
      const secrets = kinds.map((kind) => `${kind}-${randomUUID()}`);
      for (const [i, kind] of kinds.entries()) {
        const id = secrets[i] as string;
        const adapter = new RecordAdapter(records, kind);
        await adapter.upsert(id, { jti: id, clientId: "c" }, 60);
        assert.deepEqual(await adapter.find(id), { jti: id, clientId: "c" });
      }
      const clients = new Clients(model, key, async () => {});
      for (const method of ["client_secret_basic", "client_secret_jwt"] as const) {
        const client_secret = `secret-${randomUUID()}`;
        secrets.push(client_secret);
        const client = { client_id: method, client_secret, token_endpoint_auth_method: method, tenant: "default" };
        await clients.upsert(method, client);
        assert.equal((await clients.find(method))?.["token_endpoint_auth_method"], method);
      }
      const stored = JSON.stringify([await records.find({}).lean(), await model.find({}).lean()]);
      for (const secret of secrets) assert.ok(!stored.includes(secret), secret);
    });

    test("a client is found in its own tenant only, and goes with what it was given", async (t) => {
      const [{ clients: model }] = await nodes(t);
      const gone: string[] = [];
      const clients = new Clients(model, key, async (id) => void gone.push(id));
      await clients.upsert("mine", { client_id: "mine", tenant: "a", client_secret: "s".repeat(43) });
      assert.equal((await clients.ofTenant("a", "mine"))?.client_id, "mine");
      assert.equal(await clients.ofTenant("b", "mine"), undefined);
      assert.deepEqual(await clients.list("b", 10), []);
      assert.equal(await clients.setSecret("b", "mine", "t".repeat(43)), false);
      // Whoever updates it can't move it.
      await clients.upsert("mine", { client_id: "mine", tenant: "b" });
      assert.equal((await clients.find("mine"))?.tenant, "a");
      await clients.destroy("mine");
      await clients.destroy("mine");
      assert.deepEqual(gone, ["mine"]);
    });

    test("the deny list knows a token by its id, its grant or its client, for as long as it would live", async (t) => {
      const [connection] = await open(t);
      const told: string[] = [];
      const { revocations } = await openStores(connection, ({ kind, value }) => told.push(`${kind}:${value}`));
      await revocations.add("jti", "a", 60);
      await revocations.add("gid", "b", 60);
      await revocations.add("client", "c", 1);
      for (const token of [{ jti: "a" }, { jti: "x", gid: "b" }, { jti: "x", client_id: "c" }])
        assert.equal(await revocations.has(token), true);
      assert.equal(await revocations.has({ jti: "b", gid: "a", client_id: "a" }), false);
      assert.deepEqual(told, ["jti:a", "gid:b", "client:c"]);
      await sleep(2100);
      assert.equal(await revocations.has({ client_id: "c" }), false);
      assert.deepEqual((await revocations.all()).map(({ value }) => value).sort(), ["a", "b"]);
    });
  });
}
