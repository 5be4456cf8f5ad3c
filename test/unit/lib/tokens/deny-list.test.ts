import assert from "node:assert/strict";
import { test } from "node:test";
import type { AccessTokenClaims } from "../../../../lib/tokens/access-token.ts";
import { DenyList } from "../../../../lib/tokens/deny-list.ts";
import { Revocation } from "../../../../schemas/revocation.ts";

const now = () => Math.floor(Date.now() / 1000);
const token = (claims: Partial<AccessTokenClaims> = {}): AccessTokenClaims => ({
  ...{ sub: "ann", client_id: "app", jti: "j1", gid: "g1", tenant: "default", iat: now(), exp: now() + 600 },
  ...claims,
});

test("all that a revocation names must hold: a subject of one tenant is not that of another", () => {
  const list = new DenyList();
  list.add({ sub: "ann", tenant: "default", until: now() + 600 });
  assert.equal(list.denies(token()), true);
  assert.equal(list.denies(token({ tenant: "other" })), false);
  assert.equal(list.denies(token({ sub: "bob" })), false);
});

test("a token that was issued after `before` is not meant: who logs in again is let in", () => {
  const list = new DenyList();
  list.add({ sub: "ann", before: now() - 10, until: now() + 600 });
  assert.equal(list.denies(token({ iat: now() - 10 })), true);
  assert.equal(list.denies(token({ iat: now() - 9 })), false);
  // Two revocations of one subject both hold.
  list.add({ sub: "ann", client_id: "app", until: now() + 600 });
  assert.equal(list.denies(token()), true);
  assert.equal(list.denies(token({ client_id: "other", iat: now() - 20 })), true);
});

test("an entry is forgotten once its tokens have expired, and not before", (context) => {
  context.mock.timers.enable({ apis: ["Date"], now: Date.now() });
  const list = new DenyList();
  const claims = token();
  list.add({ jti: "j1", until: claims.exp });
  context.mock.timers.tick(605_000);
  assert.equal(list.denies(claims), true, "the clocks may differ");
  context.mock.timers.tick(400_000);
  list.add({ jti: "j2", until: now() + 10 });
  assert.equal(list.denies(claims), false);
  assert.equal(list.size, 1);
});

test("the same again changes nothing, whatever the order of its fields", () => {
  const list = new DenyList();
  const until = now() + 600;
  list.add({ sub: "ann", tenant: "default", until });
  const { version } = list;
  list.add({ until, tenant: "default", sub: "ann" });
  assert.equal(list.version, version);
});

test("a revocation that names nothing is none", () => {
  assert.equal(Revocation.safeParse({ until: now() + 600 }).success, false);
  const list = new DenyList();
  list.add({ until: now() + 600 });
  assert.equal(list.denies(token()), false);
});
