import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { jwtVerify } from "jose";
import { ServiceBroker, type ServiceSchema } from "moleculer";
import type { AccessTokenClaims } from "../../lib/tokens/access-token.ts";
import { IssuerLink } from "../../services/gateway/issuer-link.ts";
import { seconds, startIssuer } from "../support/token-issuer.ts";

const issuer = await startIssuer();
const broker = new ServiceBroker({ logger: false, skipProcessEventRegistration: true });
await broker.start();
let asked: unknown[] = [];
let jwks: () => unknown = () => issuer.jwks();
let revocations: (cursor?: string) => unknown = () => ({ items: [] });
const oauth = {
  name: "oauth",
  actions: {
    jwks: (ctx: { params: unknown }) => {
      asked.push(ctx.params);
      return jwks();
    },
    revocations: (ctx: { params: { cursor?: string } }) => revocations(ctx.params.cursor),
  },
} as unknown as ServiceSchema;
after(async () => {
  await broker.stop();
  await issuer.close();
});

let changes = 0;
const link = () =>
  new IssuerLink(
    broker,
    broker.logger as never,
    {
      ...{ issuer: issuer.issuer, jwksRefreshSeconds: 300, jwksCooldownSeconds: 10 },
      revocationsRefreshSeconds: 3600,
    },
    () => changes++,
  );
beforeEach(() => {
  asked = [];
  jwks = () => issuer.jwks();
  revocations = () => ({ items: [] });
  changes = 0;
});

const claims = (own: Partial<AccessTokenClaims>): AccessTokenClaims => ({
  ...{ sub: "ann", client_id: "app", jti: "j", gid: "g", tenant: "default", iat: seconds(), exp: seconds() + 600 },
  ...own,
});

test("while there is no issuer, keys and revocations are missing, and both are told; once it is there they are had", async (t) => {
  const one = link();
  await one.open();
  assert.match(String(one.trouble), /keys are not known/);
  assert.match(String(one.revocationsUnknown), /revocations are not known: .*oauth\.revocations/);
  broker.createService(oauth);
  await t.waitFor(() => assert.equal(one.trouble, undefined), { timeout: 10_000 });
  one.close();
});

test("the keys may come as a set or as the answer of the endpoint", async () => {
  for (const form of [issuer.jwks(), { status: 200, headers: {}, body: JSON.stringify(issuer.jwks()) }]) {
    jwks = () => form;
    const one = link();
    await one.open();
    assert.equal((await jwtVerify(await issuer.token(), one.keys.key)).payload.sub, "tester");
    one.close();
  }
  assert.partialDeepStrictEqual(asked[0], { method: "GET", issuer: issuer.issuer });
  jwks = () => ({ status: 500, headers: {}, body: "{}" });
  const failing = link();
  await failing.open();
  assert.match(String(failing.trouble), /keys are not known: oauth.jwks answers 500/);
  failing.close();
});

test("the list of revocations may come in pages and in both forms; an event is heard in both", async () => {
  const until = seconds() + 600;
  revocations = (cursor) =>
    cursor === undefined
      ? { items: [{ kind: "client", value: "ended", until }], nextCursor: "2" }
      : { items: [{ sub: "leaver", tenant: "default", until }] };
  const one = link();
  await one.open();
  one.hear({ kind: "gid", value: "login-1", until });
  one.hear({ jti: "token-1", until });
  one.hear({ until });
  one.hear("nonsense");
  for (const own of [{ client_id: "ended" }, { sub: "leaver" }, { gid: "login-1" }, { jti: "token-1" }])
    assert.equal(one.denied.denies(claims(own)), true, JSON.stringify(own));
  assert.equal(one.denied.denies(claims({})), false);
  one.close();
});

test("other keys are asked for when the issuer says that there are some", async (t) => {
  const one = link();
  await one.open();
  await issuer.rotate();
  one.keysChanged();
  await t.waitFor(() => assert.equal(changes, 1), { timeout: 10_000 });
  assert.equal((await jwtVerify(await issuer.token(), one.keys.key)).payload.sub, "tester");
  one.close();
});
