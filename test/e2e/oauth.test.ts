import assert from "node:assert/strict";
import type { webcrypto } from "node:crypto";
import { request as httpRequest } from "node:http";
import { after, before, describe, test } from "node:test";
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, exportJWK, jwtVerify } from "jose";
import * as oauth from "oauth4webapi";
import {
  administrator,
  discover,
  FORM,
  insecure,
  issuerOf,
  json,
  proofOf,
  type RegisteredClient,
} from "../support/oauth.ts";
import { type Platform, startPlatform } from "../support/platform.ts";

let platform: Platform;
let issuer: string;
let as: oauth.AuthorizationServer;
let admin: ReturnType<typeof administrator>;
let basic: RegisteredClient;
before(async () => {
  platform = await startPlatform();
  issuer = issuerOf(platform);
  admin = administrator(platform);
  as = await discover(issuer);
  basic = await machine();
});
after(() => platform.stop());

const machine = (metadata: object = {}) =>
  admin.client({ grant_types: ["client_credentials"], scope: "devices:read devices:write", ...metadata });
const secretOf = ({ client_secret }: RegisteredClient) => String(client_secret);
const authorization = (client: RegisteredClient) => `Basic ${btoa(`${client.client_id}:${secretOf(client)}`)}`;

/** The token that a client gets for itself. */
const tokenFor = async (client: oauth.Client, auth: oauth.ClientAuth, extra: object = {}, scope = "devices:read") =>
  oauth.processClientCredentialsResponse(
    as,
    client,
    await oauth.clientCredentialsGrantRequest(as, client, auth, { scope }, { ...insecure, ...extra }),
  );

const post = async (body: string, headers: Record<string, string> = {}) =>
  fetch(as.token_endpoint as string, { method: "POST", headers: { ...FORM, ...headers }, body });

test("both documents say what the server does, and the keys are public ones", async () => {
  assert.equal(as.issuer, issuer);
  assert.equal(as.token_endpoint, `${issuer}/oauth/token`);
  assert.deepEqual(as.dpop_signing_alg_values_supported, ["ES256", "EdDSA", "Ed25519"]);
  assert.deepEqual(as.code_challenge_methods_supported, ["S256"]);
  for (const grant of [
    ...["authorization_code", "refresh_token", "client_credentials"],
    ...["device_code", "jwt-bearer", "token-exchange"].map((name) => `urn:ietf:params:oauth:grant-type:${name}`),
  ])
    assert.ok(as.grant_types_supported?.includes(grant), grant);
  assert.deepEqual(await json(fetch(`${issuer}/.well-known/oauth-authorization-server`)), { ...as });
  const { keys } = (await json(fetch(as.jwks_uri as string))) as { keys: Record<string, unknown>[] };
  assert.deepEqual(keys.map(({ alg }) => alg).sort(), ["ES256", "EdDSA", "RS256"]);
  for (const key of keys) for (const secret of ["d", "p", "q", "dp", "dq", "qi"]) assert.ok(!(secret in key), secret);
});

test("a foreign Host does not change the metadata", async () => {
  const { port } = new URL(issuer);
  const headers = { host: `127.0.0.1:${port}`, "x-forwarded-host": "evil.example", "x-forwarded-proto": "https" };
  const metadata = await new Promise<string>((resolve, reject) => {
    httpRequest({ port, path: "/.well-known/openid-configuration", headers }, async (response) =>
      resolve(Buffer.concat(await response.toArray()).toString()),
    )
      .on("error", reject)
      .end();
  });
  assert.equal(JSON.parse(metadata).token_endpoint, `${issuer}/oauth/token`);
});

describe("client authentication", () => {
  for (const [method, authOf] of [
    ["client_secret_basic", oauth.ClientSecretBasic],
    ["client_secret_post", oauth.ClientSecretPost],
    ["client_secret_jwt", oauth.ClientSecretJwt],
  ] as const)
    test(`${method}: an access token of RFC 9068, and a wrong secret is refused`, async () => {
      const client = await machine({ token_endpoint_auth_method: method });
      const { access_token, token_type } = await tokenFor(client, authOf(secretOf(client)));
      assert.equal(token_type, "bearer");
      assert.equal(decodeProtectedHeader(access_token).typ, "at+jwt");
      const keys = createRemoteJWKSet(new URL(as.jwks_uri as string));
      const { payload } = await jwtVerify(access_token, keys, { issuer, audience: `${issuer}/v1` });
      for (const name of ["iss", "aud", "sub", "exp", "iat", "jti"]) assert.ok(name in payload, name);
      assert.partialDeepStrictEqual(payload, {
        ...{ client_id: client.client_id, sub: client.client_id, scope: "devices:read", tenant: "default" },
      });
      await assert.rejects(tokenFor(client, authOf("x".repeat(43))), { status: 401 });
    });

  test("private_key_jwt: the assertion counts once, of ten at once and later", async () => {
    const key = await oauth.generateKeyPair("Ed25519", { extractable: true });
    const jwk = { ...(await exportJWK(key.publicKey)), kid: "k1", use: "sig" };
    const client = await machine({ token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [jwk] } });
    assert.equal(client.client_secret, undefined);
    let body = "";
    const sent = {
      [oauth.customFetch]: (url: string, init: RequestInit) => {
        body = String(init.body);
        return fetch(url, init);
      },
    };
    const auth = oauth.PrivateKeyJwt({ key: key.privateKey, kid: "k1" });
    assert.ok((await tokenFor(client, auth, sent)).access_token);
    assert.equal((await json(post(body))).error, "invalid_client");

    const held = {
      [oauth.customFetch]: async (_: string, init: RequestInit) => {
        body = String(init.body);
        return Response.json({});
      },
    };
    await oauth.clientCredentialsGrantRequest(as, client, auth, {}, { ...insecure, ...held });
    const answers = await Promise.all(Array.from({ length: 10 }, () => json(post(body))));
    assert.equal(answers.filter(({ access_token }) => access_token).length, 1);
    assert.ok(answers.every(({ access_token, error }) => access_token || error === "invalid_client"));

    const foreign = await oauth.generateKeyPair("Ed25519");
    await assert.rejects(tokenFor(client, oauth.PrivateKeyJwt({ key: foreign.privateKey, kid: "k1" })), {
      status: 401,
    });
  });

  test("a method that the client is not registered for is refused", async () => {
    await assert.rejects(tokenFor(basic, oauth.ClientSecretJwt(secretOf(basic))), { status: 401 });
    await assert.rejects(tokenFor(basic, oauth.None()), { status: 401 });
  });

  test("a parameter that stands twice is refused (RFC 6749 section 3.2)", async () => {
    const answer = await post("grant_type=client_credentials&scope=devices:read&scope=devices:write", {
      authorization: authorization(basic),
    });
    assert.equal(answer.status, 400);
    assert.equal((await json(answer)).error, "invalid_request");
  });

  test("a scope beyond the client's own is invalid_scope (RFC 6749 section 5.2)", async () => {
    const narrow = await machine({ scope: "devices:read" });
    await assert.rejects(tokenFor(narrow, oauth.ClientSecretBasic(secretOf(narrow)), {}, "devices:write"), {
      error: "invalid_scope",
    });
  });

  test("a secret is shown once; another one ends it", async () => {
    const client = await machine();
    const shown = (await admin.request("GET", `/v1/clients/${client.client_id}`)) as RegisteredClient;
    assert.equal(shown.client_id, client.client_id);
    assert.equal(shown.client_secret, undefined);
    const renewed = await admin.request("POST", `/v1/clients/${client.client_id}/secret`);
    await assert.rejects(tokenFor(client, oauth.ClientSecretBasic(secretOf(client))), { status: 401 });
    const { client_secret } = renewed as RegisteredClient;
    assert.ok((await tokenFor(client, oauth.ClientSecretBasic(String(client_secret)))).access_token);
  });
});

describe("DPoP at the token endpoint (RFC 9449)", () => {
  let key: webcrypto.CryptoKeyPair;
  before(async () => {
    key = await oauth.generateKeyPair("ES256", { extractable: true });
  });

  /** Asks for a token with a proof that is right but for what is given. */
  const ask = async (wrong: { claims?: object; header?: object; iat?: number; proof?: string } = {}) => {
    const claims = { htm: "POST", htu: as.token_endpoint, ...wrong.claims };
    const { header, iat } = wrong;
    const proof =
      wrong.proof ?? (await proofOf({ key, claims, ...(header && { header }), ...(iat && { iat }) } as never));
    return json(post("grant_type=client_credentials", { authorization: authorization(basic), dpop: proof }));
  };

  test("a proof binds the token to its key", async () => {
    const { access_token, token_type } = await tokenFor(basic, oauth.ClientSecretBasic(secretOf(basic)), {
      DPoP: oauth.DPoP(basic, await oauth.generateKeyPair("ES256")),
    });
    assert.equal(token_type, "dpop");
    assert.match((decodeJwt(access_token)["cnf"] as { jkt: string }).jkt, /^[\w-]{43}$/);
  });

  const cases: [string, () => Promise<Record<string, unknown>>, string][] = [
    ["is no JWT", () => ask({ proof: "a.b.c" }), "invalid_dpop_proof"],
    [
      "stands twice",
      async () => ask({ proof: `${await proofOf({ key })}, ${await proofOf({ key })}` }),
      "invalid_dpop_proof",
    ],
    ["has another typ", () => ask({ header: { typ: "JWT" } }), "invalid_dpop_proof"],
    ["has no jti", () => ask({ claims: { jti: undefined } }), "invalid_dpop_proof"],
    ["is for another method", () => ask({ claims: { htm: "GET" } }), "invalid_dpop_proof"],
    ["is for another URL", () => ask({ claims: { htu: `${issuer}/oauth/other` } }), "invalid_dpop_proof"],
    ["is for another host", () => ask({ claims: { htu: "http://evil.example/oauth/token" } }), "invalid_dpop_proof"],
    ["has a nonce that is not the server's", () => ask({ claims: { nonce: "unknown" } }), "use_dpop_nonce"],
    ["is too old, which a nonce makes good", () => ask({ iat: 1 }), "use_dpop_nonce"],
    [
      "shows its private key",
      async () => ask({ header: { jwk: await exportJWK(key.privateKey) } }),
      "invalid_dpop_proof",
    ],
    [
      "shows another's key",
      async () => ask({ header: { jwk: await exportJWK((await oauth.generateKeyPair("ES256")).publicKey) } }),
      "invalid_dpop_proof",
    ],
  ];
  for (const [what, asked, error] of cases)
    test(`a proof that ${what} is refused`, async () => {
      assert.equal((await asked()).error, error);
    });

  test("a proof counts once: again it is refused, and of ten at once one is taken, 20 times", async () => {
    const claims = { htm: "POST", htu: as.token_endpoint };
    const proof = await proofOf({ key, claims });
    assert.equal((await ask({ proof })).token_type, "DPoP");
    assert.equal((await ask({ proof })).error, "invalid_grant");
    for (let round = 0; round < 20; round++) {
      const shared = await proofOf({ key, claims });
      const answers = await Promise.all(Array.from({ length: 10 }, () => ask({ proof: shared })));
      assert.equal(answers.filter(({ access_token }) => access_token).length, 1);
    }
  });
});

describe("introspection and revocation of access tokens, which are not stored", () => {
  const introspect = (token: string, client: RegisteredClient = basic) =>
    json(oauth.introspectionRequest(as, client, oauth.ClientSecretBasic(secretOf(client)), token, insecure));
  const revoke = async (token: string, client: RegisteredClient = basic) =>
    oauth.processRevocationResponse(
      await oauth.revocationRequest(as, client, oauth.ClientSecretBasic(secretOf(client)), token, insecure),
    );

  test("a revoked one is active no longer, and is on the deny list; only its own client revokes it", async () => {
    const { access_token } = await tokenFor(basic, oauth.ClientSecretBasic(secretOf(basic)));
    assert.partialDeepStrictEqual(await introspect(access_token), {
      ...{ active: true, token_type: "Bearer", client_id: basic.client_id, tenant: "default", iss: issuer },
    });
    await revoke(access_token, await machine());
    assert.equal((await introspect(access_token)).active, true);
    await revoke(access_token);
    assert.deepEqual(await introspect(access_token), { active: false });
    await revoke("a.b.c");
  });

  test("a wrong secret looks into nothing, and a public client into its own only", async () => {
    const { access_token } = await tokenFor(basic, oauth.ClientSecretBasic(secretOf(basic)));
    const wrong = oauth.ClientSecretBasic("wrong");
    assert.equal((await oauth.introspectionRequest(as, basic, wrong, access_token, insecure)).status, 401);
    const spa = await admin.client({ token_endpoint_auth_method: "none", redirect_uris: ["https://spa.example/cb"] });
    assert.deepEqual(await json(oauth.introspectionRequest(as, spa, oauth.None(), access_token, insecure)), {
      active: false,
    });
  });

  test("with its client a token ends", async () => {
    const client = await machine();
    const { access_token } = await tokenFor(client, oauth.ClientSecretBasic(secretOf(client)));
    await admin.request("DELETE", `/v1/clients/${client.client_id}`);
    assert.deepEqual(await introspect(access_token), { active: false });
    await assert.rejects(tokenFor(client, oauth.ClientSecretBasic(secretOf(client))), { status: 401 });
  });
});

test("the next keys are published before they sign", async () => {
  const keys = async () => ((await json(fetch(as.jwks_uri as string))).keys as { kid: string }[]).map(({ kid }) => kid);
  const { signsFrom } = (await admin.request("POST", "/v1/signing-keys:rotate")) as { signsFrom: string };
  assert.ok(Date.parse(signsFrom) > Date.now() + 3_000_000);
  assert.deepEqual((await keys()).sort(), ["es256-1", "es256-2", "eddsa-1", "eddsa-2", "rs256-1", "rs256-2"].sort());
  const { access_token } = await tokenFor(basic, oauth.ClientSecretBasic(secretOf(basic)));
  assert.equal(decodeProtectedHeader(access_token).kid, "es256-1");
});

test("what does not fit together is 422, naming the field", async () => {
  const answer = await fetch(`${platform.http}/v1/clients`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ redirect_uris: ["not a url"] }),
  });
  assert.equal(answer.status, 422);
  assert.partialDeepStrictEqual(await json(answer), { code: "VALIDATION_ERROR", errors: [{ field: "redirect_uris" }] });
});

test("a body that is too large is refused, and a method that is not there has its Allow", async () => {
  assert.equal((await post(`grant_type=${"x".repeat(60_000)}`)).status, 413);
  const answer = await fetch(as.token_endpoint as string);
  assert.equal(answer.status, 405);
  assert.match(String(answer.headers.get("allow")), /POST/);
});
