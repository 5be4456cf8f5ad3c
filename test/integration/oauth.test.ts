import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { decodeJwt, exportJWK, generateKeyPair, SignJWT } from "jose";
import type { OAuthClient } from "../../schemas/oauth.ts";
import oauth from "../../services/oauth/oauth.service.ts";
import { as, startBroker } from "../support/broker.ts";

// Without the service `users`.
const { call, stop } = await startBroker([oauth]);
after(stop);

const ISSUER = "http://localhost:3000";
const TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer";
type Client = OAuthClient & { client_secret?: string | undefined };

const endpoint = { query: "", headers: {}, body: "", path: {}, ip: "127.0.0.1", issuer: ISSUER };

/** A request of a client to an endpoint, as the gateway hands it over. */
async function ask(name: "token" | "introspect", client: Client, fields: Record<string, string>) {
  const headers = {
    authorization: `Basic ${btoa(`${client.client_id}:${client.client_secret}`)}`,
    "content-type": "application/x-www-form-urlencoded",
  };
  const body = new URLSearchParams(fields).toString();
  const answer = await call(`oauth.${name}`, { ...endpoint, method: "POST", headers, body });
  return { ...answer, json: JSON.parse(answer.body) as Record<string, unknown> };
}

const clients: Record<string, Client> = {};
before(async () => {
  for (const tenant of ["one", "two"])
    clients[tenant] = await call(
      "oauth.createClient",
      { grant_types: ["client_credentials", TOKEN_EXCHANGE, JWT_BEARER], scope: "devices:read" },
      as(tenant),
    );
});
const [one, two] = [() => clients["one"] as Client, () => clients["two"] as Client];
const tokenOf = async (client: Client) =>
  String(
    (await ask("token", client, { grant_type: "client_credentials", scope: "devices:read" })).json["access_token"],
  );

test("a client acts in its own tenant, and is found there only", async () => {
  assert.equal(decodeJwt(await tokenOf(one()))["tenant"], "one");
  assert.equal(decodeJwt(await tokenOf(two()))["tenant"], "two");
  const { items } = await call("oauth.listClients", {}, as("two"));
  assert.deepEqual(
    items.map(({ client_id }) => client_id),
    [two().client_id],
  );
  const foreign = { clientId: one().client_id };
  for (const action of ["oauth.getClient", "oauth.deleteClient", "oauth.renewClientSecret"] as const)
    await assert.rejects(call(action, foreign, as("two")), { type: "CLIENT_NOT_FOUND", code: 404 });
  assert.equal((await call("oauth.getClient", foreign, as("one"))).client_id, one().client_id);
});

test("a token of another tenant is neither looked into nor exchanged", async () => {
  const token = await tokenOf(one());
  assert.equal((await ask("introspect", one(), { token })).json["active"], true);
  assert.deepEqual((await ask("introspect", two(), { token })).json, { active: false });
  const exchange = {
    ...{ grant_type: TOKEN_EXCHANGE, subject_token: token },
    subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
  };
  assert.equal((await ask("token", one(), exchange)).status, 200);
  assert.equal((await ask("token", two(), exchange)).json["error"], "invalid_request");
});

const { publicKey, privateKey } = await generateKeyPair("ES256");
const trust = async () => ({
  ...{ issuer: "https://factory.example", algorithms: ["ES256" as const], scope: "devices:read", subjectPrefix: "d-" },
  jwks: { keys: [(await exportJWK(publicKey)) as Record<string, string>] },
});
const assertion = async () => ({
  grant_type: JWT_BEARER,
  assertion: await new SignJWT({ jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: "ES256" })
    .setIssuer("https://factory.example")
    .setSubject("d-1")
    .setAudience(ISSUER)
    .setIssuedAt()
    .setExpirationTime("1m")
    .sign(privateKey),
});

test("an issuer is trusted in its tenant only, and is trusted no longer when that is said", async () => {
  await call("oauth.putTrustedIssuer", await trust(), as("one"));
  assert.deepEqual((await call("oauth.listTrustedIssuers", {}, as("two"))).items, []);
  assert.equal((await ask("token", two(), await assertion())).json["error"], "invalid_grant");
  const issuer = "https://factory.example";
  await assert.rejects(call("oauth.deleteTrustedIssuer", { issuer }, as("two")), { type: "TRUSTED_ISSUER_NOT_FOUND" });
});

test("what needs a part of the platform that does not run is 503, and may be tried again", async () => {
  const { status, headers, json } = await ask("token", one(), await assertion());
  assert.equal(status, 503);
  assert.equal(json["error"], "temporarily_unavailable");
  assert.match(String(headers["retry-after"]), /^\d+$/);
});

test("a key that was rotated is published; the deny list names a client that was deleted", async () => {
  const before = await call("oauth.jwks", { ...endpoint, method: "GET" });
  const { signsFrom } = await call("oauth.rotateKeys", {}, as("one"));
  assert.equal((await call("oauth.rotateKeys", {}, as("one"))).signsFrom, signsFrom, "the next ones are there already");
  const after = await call("oauth.jwks", { ...endpoint, method: "GET" });
  assert.equal(JSON.parse(after.body).keys.length, 2 * JSON.parse(before.body).keys.length);
  await call("oauth.deleteClient", { clientId: two().client_id }, as("two"));
  const { items } = await call("oauth.revocations", {});
  assert.deepEqual(
    items.map(({ kind, value }) => [kind, value]),
    [["client", two().client_id]],
  );
});
