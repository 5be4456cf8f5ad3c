import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, beforeEach, describe, test } from "node:test";
import { createLocalJWKSet, exportJWK, generateKeyPair, SignJWT } from "jose";
import { accessTokenVerifier } from "../../../../lib/tokens/access-token.ts";
import { DenyList } from "../../../../lib/tokens/deny-list.ts";
import { digest } from "../../../../lib/tokens/digest.ts";
import type { ProofOptions } from "../../../../lib/tokens/dpop-proof.ts";
import { JtiWindow } from "../../../../lib/tokens/jti-window.ts";
import { Nonces } from "../../../../lib/tokens/nonces.ts";
import { ProofKeys } from "../../../../lib/tokens/proof-keys.ts";
import { type RefusalCode, TokenRefusedError } from "../../../../lib/tokens/refusals.ts";
import { type ProtectedRequest, TokenVerifier } from "../../../../lib/tokens/token-verifier.ts";
import { proofKey, seconds, startIssuer, unsigned } from "../../../support/token-issuer.ts";

const ORIGIN = "https://api.iot.example";
const PATH = "/v1/devices";
const URL_ = `${ORIGIN}${PATH}`;
const target = (token?: string) => ({ method: "GET", url: URL_, token });
const nonces = new Nonces(randomBytes(32));

const issuer = await startIssuer();
after(() => issuer.close());
const key = await proofKey();
const thief = await proofKey();
const bearer = await issuer.token();
const bound = await issuer.token({ cnf: { jkt: key.jkt } });

const denied = new DenyList();
let verified = 0;
function verifier(proof: Partial<ProofOptions> = {}): TokenVerifier {
  const verifyToken = accessTokenVerifier({
    issuer: issuer.issuer,
    audience: `${issuer.issuer}/v1`,
    key: createLocalJWKSet(issuer.jwks()),
    skewSeconds: 5,
    bytesMax: 4096,
  });
  return new TokenVerifier({
    verifyToken: (token) => {
      verified++;
      return verifyToken(token);
    },
    denied,
    proof: {
      origins: [ORIGIN, "http://localhost:3000"],
      keys: new ProofKeys(100),
      nonces,
      nonceRequired: false,
      ageSecondsMax: 60,
      skewSeconds: 5,
      bytesMax: 4096,
      ...proof,
    },
    replay: new JtiWindow(65, 1000),
    cacheSeconds: 30,
    cacheEntriesMax: 100,
  });
}

let gateway: TokenVerifier;
beforeEach(() => {
  gateway = verifier();
  verified = 0;
});

const call = (request: Partial<ProtectedRequest>, by = gateway) =>
  by.verify({ method: "GET", path: PATH, authorization: `DPoP ${bound}`, dpop: undefined, ...request });

async function refused(
  request: Partial<ProtectedRequest>,
  error: RefusalCode | undefined,
  reason: RegExp,
  by = gateway,
) {
  await assert.rejects(call(request, by), (thrown: Error) => {
    assert.ok(thrown instanceof TokenRefusedError, String(thrown));
    assert.equal(thrown.error, error, thrown.reason);
    assert.match(thrown.reason, reason);
    return true;
  });
}

/** Control: the same but for what the test changes is let in. */
const allowed = async () => assert.equal((await call({ dpop: await key.proof(target(bound)) })).claims.sub, "tester");

describe("the scheme", () => {
  test("a bearer token and a bound one with its proof are let in, whatever the case of the scheme", async () => {
    assert.equal((await call({ authorization: `Bearer ${bearer}` })).scheme, "bearer");
    assert.equal((await call({ authorization: `bearer  ${bearer}` })).claims.client_id, "tests");
    assert.equal((await call({ authorization: `dpop ${bound}`, dpop: await key.proof(target(bound)) })).scheme, "dpop");
  });

  test("no credentials, or another scheme's, are told no code", async () => {
    await refused({ authorization: undefined }, undefined, /no Authorization/);
    await refused({ authorization: `Basic ${bearer}` }, undefined, /another scheme/);
  });

  test("malformed credentials are invalid_request", async () => {
    for (const authorization of ["Bearer", "Bearer ", `Bearer ${bearer} x`, `Bearer ${bearer}, DPoP x`, 'DPoP "x"'])
      await refused({ authorization }, "invalid_request", /malformed/);
  });

  test("a bound token as Bearer is refused: a downgrade, with and without a proof (RFC 9449 §7.2)", async () => {
    await refused({ authorization: `Bearer ${bound}` }, "invalid_token", /sent as Bearer/);
    const dpop = await key.proof(target(bound));
    await refused({ authorization: `Bearer ${bound}`, dpop }, "invalid_token", /sent as Bearer/);
    await allowed();
  });

  test("a token that is bound to nothing is refused as DPoP", async () => {
    const dpop = await key.proof(target(bearer));
    await refused({ authorization: `DPoP ${bearer}`, dpop }, "invalid_token", /sent as DPoP/);
  });
});

describe("the access token (RFC 9068 §4)", () => {
  const wrong = async (token: Promise<string> | string, reason: RegExp) =>
    refused({ authorization: `Bearer ${await token}` }, "invalid_token", reason);

  test("expired", () => wrong(issuer.token({ iat: seconds() - 700, exp: seconds() - 6 }), /exp/));
  test("not yet valid", () => wrong(issuer.token({ nbf: seconds() + 60 }), /nbf/));
  test("of another issuer", () => wrong(issuer.token({ iss: "https://other.example" }), /iss/));
  test("for another audience", () => wrong(issuer.token({ aud: "https://other.example" }), /aud/));
  test("for the issuer only", () => wrong(issuer.token({ aud: issuer.issuer }), /aud/));
  test("an ID token", () => wrong(issuer.token({}, { typ: "JWT" }), /typ/));
  test("without type", () => wrong(issuer.token({}, { typ: undefined }), /typ/));
  for (const claim of ["exp", "iat", "sub", "client_id", "jti", "tenant"])
    test(`without ${claim}`, () => wrong(issuer.token({ [claim]: undefined }), new RegExp(claim)));
  test("of a tenant that is no name", () => wrong(issuer.token({ tenant: "a/b" }), /tenant/));
  test("with a subject that is no text", () => wrong(issuer.token({ sub: 5 }), /sub/));
  test("bound in a way that is not known here", () =>
    wrong(issuer.token({ cnf: { "x5t#S256": "x".repeat(43) } }), /cnf/));
  test("bound in two ways, of which one is not known here", () =>
    wrong(issuer.token({ cnf: { jkt: key.jkt, "x5t#S256": "x".repeat(43) } }), /cnf/));

  test("alg none", async () => {
    const [, body = ""] = bearer.split(".");
    // Without a signature there is no third part, which is malformed already; with one it is the algorithm.
    await wrong(unsigned({ alg: "none", typ: "at+jwt" }, body).slice(0, -1), /JWS|JWT/i);
    await wrong(`${unsigned({ alg: "none", typ: "at+jwt" }, body)}AAAA`, /alg/i);
  });

  test("a public key taken for a secret (HS256)", async () => {
    const [jwk] = issuer.jwks().keys;
    const secret = Buffer.from(JSON.stringify(jwk));
    await wrong(issuer.token({}, { alg: "HS256" }, secret), /alg/i);
  });

  test("signed by another key under a known kid", async () => {
    const { privateKey } = await generateKeyPair("ES256");
    await wrong(issuer.token({}, {}, privateKey), /signature/);
  });

  test("with a changed claim", async () => {
    const [head, body = "", signature] = bearer.split(".");
    const claims = JSON.parse(Buffer.from(body, "base64url").toString());
    const changed = Buffer.from(JSON.stringify({ ...claims, tenant: "other" })).toString("base64url");
    await wrong(`${head}.${changed}.${signature}`, /signature/);
  });

  test("with a key of its own in the header", async () => {
    const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
    await wrong(issuer.token({}, { jwk: await exportJWK(publicKey) }, privateKey), /signature/);
  });

  test("with an extension that must be understood", () =>
    wrong(
      issuer.token({}, { crit: ["x"], x: 1 }).catch(async () => {
        const [, body = "", signature = ""] = bearer.split(".");
        return `${Buffer.from(JSON.stringify({ alg: "ES256", typ: "at+jwt", crit: ["x"], x: 1 })).toString("base64url")}.${body}.${signature}`;
      }),
      /x/,
    ));

  test("oversize", () => wrong(issuer.token({ extra: "x".repeat(4096) }), /longer/));
});

describe("the proof (RFC 9449 §4.3)", () => {
  const wrong = async (
    dpop: Promise<string> | string | undefined,
    reason: RegExp,
    error: RefusalCode = "invalid_dpop_proof",
  ) => {
    await refused({ dpop: await dpop }, error, reason);
    await allowed();
  };
  const proof = (claims = {}, header = {}, signer = key.privateKey) => key.proof(target(bound), claims, header, signer);

  test("check 1: none", () => wrong(undefined, /no proof/));
  test("check 1: two in one field, as Node joins them", async () =>
    wrong(`${await proof()}, ${await proof()}`, /more than one/));
  for (const text of ["x", "a.b.c", "..", "a.b", "a.b.c.d"])
    test(`check 2: ${text} is no JWT`, () => wrong(text, /no JWT/));
  test("check 2: oversize", () => wrong(proof({ extra: "x".repeat(4096) }), /longer/));
  test("check 3: without jti", () => wrong(proof({ jti: undefined }), /jti/));
  test("check 3: with an empty jti", () => wrong(proof({ jti: "" }), /jti/));
  test("check 3: with a jti that is no text", () => wrong(proof({ jti: 5 }), /jti/));
  test("check 3: with a jti that is too long", () => wrong(proof({ jti: "x".repeat(257) }), /jti/));
  test("check 3: without htm", () => wrong(proof({ htm: undefined }), /htm/));
  test("check 3: without htu", () => wrong(proof({ htu: undefined }), /htu/));
  test("check 3: without iat", () => wrong(proof({ iat: undefined }), /iat/));
  test("check 3: with an iat that is no number", () => wrong(proof({ iat: String(seconds()) }), /iat|"iat"/));
  for (const typ of ["JWT", "dpop", undefined]) test(`check 4: typ ${typ}`, () => wrong(proof({}, { typ }), /typ/));
  test("check 5: alg none", async () => {
    const [, body = ""] = (await proof()).split(".");
    await wrong(`${unsigned({ alg: "none", typ: "dpop+jwt", jwk: key.jwk }, body)}AAAA`, /alg/);
    await wrong(unsigned({ alg: "none", typ: "dpop+jwt", jwk: key.jwk }, body), /no JWT/);
  });
  test("check 5: HS256 with a symmetric key", () => {
    const signing = new SignJWT({ jti: "x", htm: "GET", htu: URL_, ath: digest(bound) })
      .setIssuedAt()
      .setProtectedHeader({ alg: "HS256", typ: "dpop+jwt", jwk: { kty: "oct", k: "AAAA" } as never });
    return wrong(signing.sign(new Uint8Array(32)), /alg/);
  });
  test("check 5: an algorithm's name that every object has", async () => {
    const [, body = "", signature = ""] = (await proof()).split(".");
    await wrong(`${unsigned({ alg: "constructor", typ: "dpop+jwt", jwk: key.jwk }, body)}${signature}`, /alg/);
  });
  test("check 6: a changed signature", async () => {
    const signed = await proof();
    await wrong(`${signed.slice(0, -8)}${signed.endsWith("AAAAAAAA") ? "BBBBBBBB" : "AAAAAAAA"}`, /signature/);
  });
  test("check 6: a changed claim", async () => {
    const [head = "", body = "", signature = ""] = (await proof({ htm: "POST" })).split(".");
    const claims = JSON.parse(Buffer.from(body, "base64url").toString());
    const changed = Buffer.from(JSON.stringify({ ...claims, htm: "GET" })).toString("base64url");
    await wrong(`${head}.${changed}.${signature}`, /signature/);
  });
  test("check 6: the owner's public key shown, another key used", () =>
    wrong(proof({}, {}, thief.privateKey), /signature/));
  test("check 6: an algorithm that is not the key's", () =>
    wrong(proof({}, { alg: "ES256", jwk: { ...key.jwk, crv: "P-384" } }), /jwk/));
  test("check 7: a private key", async () => wrong(proof({}, { jwk: await key.privateJwk() }), /not a public key/));
  test("check 7: no key", () => wrong(proof({}, { jwk: undefined }), /jwk is missing/));
  test("check 7: a key that is no point of its curve", () =>
    wrong(proof({}, { jwk: { ...key.jwk, x: "A".repeat(43) } }), /point/));
  test("check 8: another method", () => wrong(proof({ htm: "POST" }), /htm/));
  test("check 8: the method in lower case", () => wrong(proof({ htm: "get" }), /htm/));
  for (const htu of [
    `${ORIGIN}/v1/other`,
    "https://evil.example/v1/devices",
    "http://api.iot.example/v1/devices",
    `${ORIGIN}:8443/v1/devices`,
    `${ORIGIN}/V1/devices`,
    `${ORIGIN}/v1/devices/`,
    "https://user@api.iot.example/v1/devices",
    "/v1/devices",
    "",
  ])
    test(`check 9: htu ${JSON.stringify(htu)}`, () => wrong(proof({ htu }), /htu/));
  for (const htu of [
    `${URL_}?other=1#x`,
    "https://API.iot.example:443/v1/devices",
    "HTTPS://api.iot.example/v1/x/../devices",
    `${ORIGIN}/v1/%64evices`,
    "http://localhost:3000/v1/devices",
  ])
    test(`check 9: htu ${htu} is the same URL`, async () => {
      await call({ dpop: await proof({ htu }) });
    });
  test("check 10: a nonce that is not ours", () => wrong(proof({ nonce: "x" }), /nonce/, "use_dpop_nonce"));
  test("check 10: a nonce of another server", () =>
    wrong(proof({ nonce: new Nonces(randomBytes(32)).issue() }), /nonce/, "use_dpop_nonce"));
  test("check 10: a nonce that is too old", () =>
    wrong(proof({ nonce: nonces.issue(Date.now() - 61_000) }), /nonce/, "use_dpop_nonce"));
  test("check 10: a nonce that is no text", () => wrong(proof({ nonce: 5 }), /nonce/, "use_dpop_nonce"));
  test("check 10: no nonce where one is required; with it the caller is let in", async () => {
    const strict = verifier({ nonceRequired: true });
    await refused({ dpop: await proof() }, "use_dpop_nonce", /no nonce/, strict);
    await call({ dpop: await proof({ nonce: nonces.issue() }) }, strict);
  });
  test("check 11: made too long ago", () => wrong(proof({ iat: seconds() - 62 }), /iat/, "use_dpop_nonce"));
  test("check 11: made in the future", () => wrong(proof({ iat: seconds() + 20 }), /iat/, "use_dpop_nonce"));
  test("check 11: a nonce of ours tells the time for who has no clock", async () => {
    await call({ dpop: await proof({ iat: 0, nonce: nonces.issue() }) });
  });
  test("check 12: without ath", () => wrong(proof({ ath: undefined }), /ath/));
  test("check 12: the proof of another token", () => wrong(proof({ ath: digest(bearer) }), /ath/));
  test("check 12: a stolen token with a key of one's own", async () =>
    wrong(thief.proof(target(bound)), /not the key that the token is bound to/));

  test("an Ed25519 key under both of its algorithm's names", async () => {
    const edwards = await proofKey("Ed25519");
    const token = await issuer.token({ cnf: { jkt: edwards.jkt } });
    for (const alg of ["Ed25519", "EdDSA"]) {
      const dpop = await edwards.proof(target(token), {}, { alg });
      assert.equal((await call({ authorization: `DPoP ${token}`, dpop })).claims.sub, "tester");
    }
  });

  test("a nonce that ends soon is replaced", async () => {
    const old = await call({ dpop: await proof({ nonce: nonces.issue(Date.now() - 40_000) }) });
    assert.ok(old.nonce);
    assert.ok(Date.now() - (nonces.issuedAt(old.nonce) ?? 0) < 5000);
    assert.equal((await call({ dpop: await proof({ nonce: nonces.issue() }) })).nonce, undefined);
  });
});

describe("replay (RFC 9449 §11.1)", () => {
  test("a proof is good once", async () => {
    const dpop = await key.proof(target(bound));
    await call({ dpop });
    await refused({ dpop }, "invalid_dpop_proof", /used before/);
  });

  test("of ten in parallel one passes", async () => {
    const dpop = await key.proof(target(bound));
    const all = await Promise.allSettled(Array.from({ length: 10 }, () => call({ dpop })));
    assert.equal(all.filter(({ status }) => status === "fulfilled").length, 1);
  });

  test("a stranger's proof does not burn a jti that he guesses", async () => {
    await refused(
      { dpop: await key.proof(target(bound), { jti: "guessed" }, {}, thief.privateKey) },
      "invalid_dpop_proof",
      /signature/,
    );
    await refused({ dpop: await thief.proof(target(bound), { jti: "guessed" }) }, "invalid_dpop_proof", /bound/);
    await call({ dpop: await key.proof(target(bound), { jti: "guessed" }) });
  });

  test("another key may use the same jti", async () => {
    const token = await issuer.token({ cnf: { jkt: thief.jkt } });
    await call({ dpop: await key.proof(target(bound), { jti: "same" }) });
    await call({ authorization: `DPoP ${token}`, dpop: await thief.proof(target(token), { jti: "same" }) });
  });

  test("after a restart an earlier proof needs a nonce of the new process", async () => {
    const dpop = await key.proof(target(bound));
    await call({ dpop });
    const restarted = verifier({ knownSince: Date.now(), nonces: new Nonces(randomBytes(32)) });
    await refused({ dpop }, "use_dpop_nonce", /before this process/, restarted);
    const ahead = await key.proof(target(bound), { iat: seconds() + 4 });
    await refused({ dpop: ahead }, "use_dpop_nonce", /before this process/, restarted);
  });
});

describe("what is kept", () => {
  test("a token is verified once, a proof every time", async () => {
    for (let round = 0; round < 3; round++) await allowed();
    assert.equal(verified, 1);
  });

  test("a refusal is not kept, nor a token under a part of it", async () => {
    await allowed();
    await refused({ authorization: `DPoP ${bound.slice(0, -4)}AAAA` }, "invalid_token", /signature/);
    await refused({ authorization: `DPoP ${bound.slice(0, -4)}AAAA` }, "invalid_token", /signature/);
    assert.equal(verified, 3);
  });

  test("a token ends when it expires, kept or not", async (context) => {
    const short = await issuer.token({ exp: seconds() + 10 });
    await call({ authorization: `Bearer ${short}` });
    context.mock.timers.enable({ apis: ["Date"], now: Date.now() + 17_000 });
    await refused({ authorization: `Bearer ${short}` }, "invalid_token", /exp/);
  });

  test("a kept token is verified again after its time, and after other keys", async (context) => {
    await call({ authorization: `Bearer ${bearer}` });
    gateway.forget();
    await call({ authorization: `Bearer ${bearer}` });
    assert.equal(verified, 2);
    context.mock.timers.enable({ apis: ["Date"], now: Date.now() + 31_000 });
    await call({ authorization: `Bearer ${bearer}` });
    assert.equal(verified, 3);
  });

  for (const claim of ["jti", "gid", "sub", "client_id", "tenant"] as const)
    test(`a token that is revoked by its ${claim} is refused at once, though it is kept; others are not`, async () => {
      const value = `${claim}-revoked`;
      const token = await issuer.token({ gid: "grant", [claim]: value });
      await call({ authorization: `Bearer ${token}` });
      denied.add({ [claim]: value, until: seconds() + 600 });
      await refused({ authorization: `Bearer ${token}` }, "invalid_token", /revoked/);
      await refused({ authorization: `Bearer ${token}` }, "invalid_token", /revoked/);
      await call({ authorization: `Bearer ${bearer}` });
    });

  test("a revocation that comes while the token is verified is not overtaken", async () => {
    const token = await issuer.token({ jti: "raced" });
    const running = call({ authorization: `Bearer ${token}` });
    denied.add({ jti: "raced", until: seconds() + 600 });
    await assert.rejects(running, TokenRefusedError);
  });
});
