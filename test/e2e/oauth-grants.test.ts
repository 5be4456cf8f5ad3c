import assert from "node:assert/strict";
import type { webcrypto } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { decodeJwt, exportJWK, SignJWT } from "jose";
import * as oauth from "oauth4webapi";
import { administrator, discover, insecure, issuerOf, json, type RegisteredClient } from "../support/oauth.ts";
import { type Platform, startPlatform } from "../support/platform.ts";

const JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";
const FACTORY = "https://factory.example";

let platform: Platform;
let issuer: string;
let as: oauth.AuthorizationServer;
let admin: ReturnType<typeof administrator>;
before(async () => {
  platform = await startPlatform();
  issuer = issuerOf(platform);
  admin = administrator(platform);
  as = await discover(issuer);
});
after(() => platform.stop());

const authOf = (client: RegisteredClient) => oauth.ClientSecretBasic(String(client.client_secret));
const boundBy = async (client: oauth.Client) => ({ DPoP: oauth.DPoP(client, await oauth.generateKeyPair("ES256")) });

async function ownToken(client: RegisteredClient, scope: string, extra: object = {}): Promise<string> {
  const answer = await oauth.clientCredentialsGrantRequest(
    as,
    client,
    authOf(client),
    { scope },
    { ...insecure, ...extra },
  );
  return (await oauth.processClientCredentialsResponse(as, client, answer)).access_token;
}

const isActive = async (client: RegisteredClient, token: string) =>
  (await json(oauth.introspectionRequest(as, client, authOf(client), token, insecure))).active;

describe("JWT bearer (RFC 7523)", () => {
  let client: RegisteredClient;
  let factory: webcrypto.CryptoKeyPair;
  before(async () => {
    factory = await oauth.generateKeyPair("ES256", { extractable: true });
    client = await admin.client({ grant_types: [JWT_BEARER], scope: "telemetry:write devices:read" });
    const key = { ...(await exportJWK(factory.publicKey)), kid: "f1", alg: "ES256" };
    await admin.request("POST", "/v1/trusted-issuers", {
      ...{
        issuer: FACTORY,
        jwks: { keys: [key] },
        algorithms: ["ES256"],
        scope: "telemetry:write",
        subjectPrefix: "device-",
      },
    });
  });

  interface Wrong {
    iss?: string;
    sub?: string;
    aud?: string;
    iat?: number;
    exp?: number | string;
    jti?: string | undefined;
    key?: webcrypto.CryptoKey;
  }
  const assertion = (wrong: Wrong = {}) => {
    const { iss = FACTORY, sub = "device-42", aud = issuer, iat, exp = "2m", key = factory.privateKey } = wrong;
    const jti = "jti" in wrong ? wrong.jti : crypto.randomUUID();
    return new SignJWT(jti === undefined ? {} : { jti })
      .setProtectedHeader({ alg: "ES256", kid: "f1" })
      .setIssuer(iss)
      .setSubject(sub)
      .setAudience(aud)
      .setIssuedAt(iat)
      .setExpirationTime(exp)
      .sign(key);
  };
  const ask = async (given: string | Promise<string>, extra: object = {}, by = client) =>
    json(
      oauth.genericTokenEndpointRequest(
        ...([as, by, authOf(by), JWT_BEARER] as const),
        { assertion: await given, scope: "telemetry:write devices:read" },
        { ...insecure, ...extra },
      ),
    );

  test("a token for the subject, with no more than the issuer may give, bound where a proof comes along", async () => {
    const { access_token, token_type } = await ask(assertion());
    assert.equal(token_type, "Bearer");
    const claims = decodeJwt(String(access_token));
    assert.partialDeepStrictEqual(claims, {
      ...{ sub: "device-42", scope: "telemetry:write", tenant: "default", client_id: client.client_id },
    });
    const bound = await ask(assertion(), await boundBy(client));
    assert.equal(bound.token_type, "DPoP");
    assert.equal(decodeJwt(String(bound.access_token))["gid"], claims["gid"]);
  });

  test("an assertion counts once: again it is refused, and of ten at once one is taken, 20 times", async () => {
    const once = await assertion();
    assert.ok((await ask(once)).access_token);
    assert.equal((await ask(once)).error, "invalid_grant");
    for (let round = 0; round < 20; round++) {
      const shared = await assertion();
      const answers = await Promise.all(Array.from({ length: 10 }, () => ask(shared)));
      assert.equal(answers.filter(({ access_token }) => access_token).length, 1);
    }
  });

  const now = () => Math.floor(Date.now() / 1000);
  const cases: [string, () => Promise<string>][] = [
    [
      "foreign: signed by another key",
      async () => assertion({ key: (await oauth.generateKeyPair("ES256")).privateKey }),
    ],
    ["of an issuer that is not trusted", () => assertion({ iss: "https://other.example" })],
    ["expired", () => assertion({ iat: now() - 200, exp: now() - 100 })],
    ["old, though it lives for ever", () => assertion({ iat: now() - 3600, exp: now() + 3600 })],
    ["for another audience", () => assertion({ aud: "https://other.example" })],
    ["of a subject that is not the issuer's to vouch for", () => assertion({ sub: "alice" })],
    ["without a name of its own", () => assertion({ jti: undefined })],
    ["no JWT", async () => "nonsense"],
  ];
  for (const [what, given] of cases)
    test(`an assertion that is ${what} is refused`, async () => {
      assert.equal((await ask(given())).error, "invalid_grant");
    });

  test("no issuer vouches for a user", async () => {
    const { sub } = await admin.user({ email: "bob@example.org", password: "correct horse battery" });
    const key = { ...(await exportJWK(factory.publicKey)), kid: "f1", alg: "ES256" };
    const trust = {
      issuer: "https://all.example",
      jwks: { keys: [key] },
      algorithms: ["ES256"],
      scope: "telemetry:write",
    };
    await admin.request("POST", "/v1/trusted-issuers", { ...trust, subjectPrefix: sub.slice(0, 4) });
    assert.equal((await ask(assertion({ iss: "https://all.example", sub }))).error, "invalid_grant");
  });

  test("a client that may not use the grant is refused; trust ends", async () => {
    const other = await admin.client({ grant_types: ["client_credentials"] });
    assert.equal((await ask(assertion(), {}, other)).error, "invalid_request");
    await admin.request("DELETE", `/v1/trusted-issuers?issuer=${encodeURIComponent(FACTORY)}`);
    assert.equal((await ask(assertion())).error, "invalid_grant");
  });
});

describe("token exchange (RFC 8693)", () => {
  let app: RegisteredClient;
  let edge: RegisteredClient;
  before(async () => {
    app = await admin.client({ grant_types: ["client_credentials"], scope: "devices:read devices:write" });
    edge = await admin.client({
      grant_types: [TOKEN_EXCHANGE, "client_credentials"],
      scope: "devices:read devices:write",
    });
  });

  const exchange = (subject_token: string, more: Record<string, string> = {}, extra: object = {}, by = edge) =>
    json(
      oauth.genericTokenEndpointRequest(
        ...([as, by, authOf(by), TOKEN_EXCHANGE] as const),
        { subject_token, subject_token_type: ACCESS_TOKEN, ...more },
        { ...insecure, ...extra },
      ),
    );

  test("the edge acts for the subject: its `sub`, no more scopes, no longer a life, and `act`", async () => {
    const subject = await ownToken(app, "devices:read devices:write");
    const { access_token, issued_token_type } = await exchange(subject, { scope: "devices:read" });
    assert.equal(issued_token_type, ACCESS_TOKEN);
    const claims = decodeJwt(String(access_token));
    assert.partialDeepStrictEqual(claims, {
      ...{ sub: app.client_id, client_id: edge.client_id, scope: "devices:read", act: { sub: edge.client_id } },
      ...{ tenant: "default", aud: `${issuer}/v1` },
    });
    assert.ok(Number(claims.exp) <= Number(decodeJwt(subject).exp));
  });

  test("an actor token names who acts, and actors stand one behind the other", async () => {
    const first = await exchange(await ownToken(app, "devices:read"));
    const actor = await ownToken(edge, "devices:read");
    const second = await exchange(String(first.access_token), { actor_token: actor, actor_token_type: ACCESS_TOKEN });
    assert.deepEqual(decodeJwt(String(second.access_token))["act"], {
      ...{ sub: edge.client_id, act: { sub: edge.client_id } },
    });
    let token = String(second.access_token);
    for (let n = 0; n < 2; n++) token = String((await exchange(token)).access_token);
    assert.equal((await exchange(token)).error, "invalid_request");
  });

  test("more scopes than the subject's token has, another audience, and what is no token are refused", async () => {
    const subject = await ownToken(app, "devices:read");
    assert.equal((await exchange(subject, { scope: "devices:write" })).error, "invalid_scope");
    assert.equal((await exchange(subject, { audience: "https://other.example" })).error, "invalid_target");
    assert.equal((await exchange("a.b.c")).error, "invalid_request");
    assert.equal((await exchange(subject, { subject_token_type: "urn:x" })).error, "invalid_request");
    assert.equal((await exchange(subject, {}, {}, app)).error, "invalid_request");
  });

  test("a bound token is exchanged for a bound one only", async () => {
    const subject = await ownToken(app, "devices:read", await boundBy(app));
    assert.equal((await exchange(subject)).error, "invalid_request");
    const { token_type } = await exchange(subject, {}, await boundBy(edge));
    assert.equal(token_type, "DPoP");
  });

  test("with the subject's token what was made of it ends", async () => {
    const subject = await ownToken(app, "devices:read");
    const { access_token } = await exchange(subject);
    assert.equal(await isActive(edge, String(access_token)), true);
    await oauth.revocationRequest(as, app, authOf(app), subject, insecure);
    assert.equal(await isActive(edge, String(access_token)), false);
    assert.equal((await exchange(subject)).error, "invalid_request");
  });
});

describe("registration by the client itself (RFC 7591, RFC 7592)", () => {
  const metadata = { client_name: "app", grant_types: ["client_credentials"], redirect_uris: [], response_types: [] };
  const register = async (wanted: object = {}, scope?: string) => {
    const initialAccessToken = await admin.initialAccessToken(scope);
    const request = { ...metadata, ...wanted } as Partial<oauth.OmitSymbolProperties<oauth.Client>>;
    return oauth.dynamicClientRegistrationRequest(as, request, { ...insecure, initialAccessToken });
  };
  const registered = async (wanted: object = {}, scope?: string) =>
    (await oauth.processDynamicClientRegistrationResponse(await register(wanted, scope))) as RegisteredClient;
  const manage = (client: oauth.Client, method: string, body?: object, token = client["registration_access_token"]) =>
    fetch(String(client["registration_client_uri"]), {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body && { body: JSON.stringify(body) }),
    });

  test("without an initial access token, and with a wrong one, it is refused", async () => {
    assert.equal((await oauth.dynamicClientRegistrationRequest(as, metadata, insecure)).status, 401);
    const wrong = { ...insecure, initialAccessToken: "wrong" };
    assert.equal((await oauth.dynamicClientRegistrationRequest(as, metadata, wrong)).status, 401);
  });

  test("a client gets what was allowed, in the tenant of the token, and no more", async () => {
    const client = await registered({ tenant: "other", scope: "devices:read devices:write" }, "devices:read");
    assert.equal(client["tenant"], "default");
    assert.equal(client["scope"], "devices:read");
    assert.equal(decodeJwt(await ownToken(client, "devices:read"))["tenant"], "default");
    const refused = await register({ grant_types: [TOKEN_EXCHANGE] }, "devices:read");
    assert.equal((await json(refused)).error, "invalid_client_metadata");
  });

  test("it reads itself without its secret, changes itself, can't give itself more, and deletes itself", async () => {
    const client = await registered({}, "devices:read");
    const read = await json(manage(client, "GET"));
    assert.equal(read.client_id, client.client_id);
    assert.equal("client_secret" in read, false);
    const update = {
      ...metadata,
      client_id: client.client_id,
      client_name: "renamed",
      scope: "devices:read devices:write",
    };
    assert.equal((await manage(client, "PUT", { ...update, client_secret: "wrong" })).status, 400);
    const changed = await json(
      manage(client, "PUT", { ...update, client_secret: client.client_secret, tenant: "other" }),
    );
    assert.partialDeepStrictEqual(changed, { client_name: "renamed", scope: "devices:read", tenant: "default" });
    assert.equal("client_secret" in changed, false);
    assert.ok(await ownToken(client, "devices:read"));
    assert.equal((await manage(client, "GET")).status, 401, "the token was renewed");
    const token = changed["registration_access_token"] as string;
    const asJwt = { ...update, token_endpoint_auth_method: "client_secret_jwt" };
    assert.equal((await json(manage(client, "PUT", asJwt, token))).error, "invalid_client_metadata");
    assert.equal((await manage(client, "DELETE", undefined, token)).status, 204);
    await assert.rejects(ownToken(client, "devices:read"), { status: 401 });
  });

  test("a jwks_uri on a private address is not fetched", async () => {
    let asked = 0;
    const inside = createServer((_request, response) => {
      asked++;
      response.end('{"keys":[]}');
    }).listen(0, "127.0.0.1");
    await new Promise((done) => inside.once("listening", done));
    const { port } = inside.address() as AddressInfo;
    const { privateKey } = await oauth.generateKeyPair("ES256");
    for (const host of ["127.0.0.1", "localhost"]) {
      const wanted = { token_endpoint_auth_method: "private_key_jwt", jwks_uri: `http://${host}:${port}/jwks` };
      const client = await registered(wanted, "devices:read");
      const auth = oauth.PrivateKeyJwt({ key: privateKey, kid: "k1" });
      const answer = await oauth.clientCredentialsGrantRequest(as, client, auth, {}, insecure);
      assert.ok([400, 401].includes(answer.status), String(answer.status));
    }
    inside.close();
    assert.equal(asked, 0);
  });
});
