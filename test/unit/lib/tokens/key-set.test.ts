import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { errors, jwtVerify } from "jose";
import { httpJwks } from "../../../../lib/tokens/jwks-source.ts";
import { KeySet } from "../../../../lib/tokens/key-set.ts";
import { IssuerUnavailableError } from "../../../../lib/tokens/refusals.ts";
import { startIssuer, type TestIssuer } from "../../../support/token-issuer.ts";

let issuer: TestIssuer;
let changes = 0;
beforeEach(async () => {
  issuer = await startIssuer();
  changes = 0;
});
afterEach(() => issuer.close());

const HTTP = { timeoutMs: 2000, bytesMax: 4096 };
const keySet = (refreshSeconds = 300, cooldownSeconds = 10, http = HTTP) =>
  new KeySet(httpJwks(issuer.jwksUrl, http), {
    refreshSeconds,
    cooldownSeconds,
    changed: () => changes++,
  });
const verify = async (keys: KeySet, token: Promise<string>) => jwtVerify(await token, keys.key);

test("keys are fetched once for many tokens at once", async () => {
  const keys = keySet();
  await Promise.all(Array.from({ length: 20 }, () => verify(keys, issuer.token())));
  await verify(keys, issuer.token());
  assert.equal(issuer.requests(), 1);
  assert.equal(keys.trouble, undefined);
});

test("an unknown kid fetches the keys again, once in the cooldown", async (context) => {
  const keys = keySet();
  await verify(keys, issuer.token());
  context.mock.timers.enable({ apis: ["Date"], now: Date.now() + 11_000 });
  await issuer.rotate();
  await verify(keys, issuer.token({ exp: Date.now() / 1000 + 600 }));
  assert.equal(changes, 1);
  for (let round = 0; round < 20; round++)
    await assert.rejects(verify(keys, issuer.token({}, { kid: `made-up-${round}` })), errors.JWKSNoMatchingKey);
  assert.equal(issuer.requests(), 2);
  context.mock.timers.tick(11_000);
  await assert.rejects(verify(keys, issuer.token({}, { kid: "made-up" })), errors.JWKSNoMatchingKey);
  assert.equal(issuer.requests(), 3);
});

test("a token of the former key is good while the set has it, and no longer", async (context) => {
  const keys = keySet();
  const former = issuer.token();
  await issuer.rotate();
  await verify(keys, former);
  await issuer.rotate({ keepsFormer: false });
  context.mock.timers.enable({ apis: ["Date"], now: Date.now() + 11_000 });
  await verify(keys, issuer.token({ exp: Date.now() / 1000 + 600 }));
  await assert.rejects(verify(keys, former), errors.JWKSNoMatchingKey);
});

test("old keys serve while the issuer is away, and are replaced when it is back", async (context) => {
  const keys = keySet(1, 0);
  await verify(keys, issuer.token());
  const token = issuer.token({ exp: Date.now() / 1000 + 600 });
  await token;
  await issuer.close();
  context.mock.timers.enable({ apis: ["Date"], now: Date.now() + 60_000 });
  await verify(keys, token);
  await assert.rejects(keys.refresh(), IssuerUnavailableError);
  await verify(keys, token);
  assert.equal(keys.trouble, undefined);
  issuer = await startIssuer();
});

test("without keys a token is not refused but unanswerable, and the reason is told", async () => {
  await issuer.close();
  const keys = keySet();
  await assert.rejects(verify(keys, issuer.token()), { code: 503, type: "ISSUER_UNAVAILABLE" });
  assert.match(String(keys.trouble), /keys are not known/);
  // Not asked again at once.
  await assert.rejects(verify(keys, issuer.token()), { code: 503, type: "ISSUER_UNAVAILABLE" });
  issuer = await startIssuer();
});

test("an answer that is no key set, another status and one that is too large are failures", async () => {
  const failing = async (url: string, http = HTTP) => {
    const keys = new KeySet(httpJwks(url, http), { refreshSeconds: 300, cooldownSeconds: 10 });
    await assert.rejects(keys.refresh(), IssuerUnavailableError);
    return String(keys.trouble);
  };
  assert.match(await failing(`${issuer.issuer}/other`), /answers 404/);
  assert.match(await failing(issuer.jwksUrl, { ...HTTP, bytesMax: 10 }), /more than 10 bytes/);
  assert.match(await failing("data:application/json,{}"), /malformed/i);
});
