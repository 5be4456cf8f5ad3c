import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from "jose";
import * as oauth from "oauth4webapi";
import * as client from "openid-client";
import {
  administrator,
  Browser,
  discover,
  insecure,
  issuerOf,
  json,
  login,
  type RegisteredClient,
} from "../support/oauth.ts";
import { type Platform, startPlatform } from "../support/platform.ts";

const BOB = { email: "bob@example.org", password: "correct horse battery" };
const REDIRECT = "https://client.example/cb";
const scope = "openid offline_access devices:read";
const env = { SIGNING_KEY_PUBLISHED_SECONDS: "2", DPOP_NONCE_REQUIRED: "1" };

let platform: Platform;
let output = "";
let issuer: string;
let as: oauth.AuthorizationServer;
let machine: RegisteredClient;
let web: RegisteredClient;
before(async () => {
  platform = await startPlatform({ env });
  issuer = issuerOf(platform);
  as = await discover(issuer);
  const admin = administrator(platform);
  await admin.user(BOB);
  machine = await admin.client({ grant_types: ["client_credentials"], scope: "devices:read" });
  web = await admin.client({
    ...{ grant_types: ["authorization_code", "refresh_token"], redirect_uris: [REDIRECT] },
    scope,
  });
});
after(() => platform.stop());

const authOf = ({ client_secret }: RegisteredClient) => oauth.ClientSecretBasic(String(client_secret));
const tokenFor = async () => {
  const answer = await oauth.clientCredentialsGrantRequest(as, machine, authOf(machine), {}, insecure);
  return (await oauth.processClientCredentialsResponse(as, machine, answer)).access_token;
};
const isActive = async (token: string) =>
  (await json(oauth.introspectionRequest(as, machine, authOf(machine), token, insecure))).active;

test("openid-client finds its way: discovery, client credentials with a nonce that the server asks for, code with PKCE", async () => {
  const options = { execute: [client.allowInsecureRequests] };
  const secret = client.ClientSecretBasic(String(machine.client_secret));
  const config = await client.discovery(new URL(issuer), machine.client_id, undefined, secret, options);
  const handle = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));
  const granted = await client.clientCredentialsGrant(config, { scope: "devices:read" }, { DPoP: handle });
  assert.equal(granted.token_type, "dpop");
  assert.ok((decodeJwt(granted.access_token)["cnf"] as { jkt: string }).jkt);

  const basic = await client.discovery(
    ...([
      new URL(issuer),
      web.client_id,
      undefined,
      client.ClientSecretBasic(String(web.client_secret)),
      options,
    ] as const),
  );
  const [verifier, state, nonce] = [client.randomPKCECodeVerifier(), client.randomState(), client.randomNonce()];
  const url = client.buildAuthorizationUrl(basic, {
    ...{ redirect_uri: REDIRECT, scope: "openid offline_access devices:read", prompt: "consent", state, nonce },
    ...{ code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256" },
  });
  const callback = await new Browser(BOB).walk(url.href, (where) => where.startsWith(REDIRECT));
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
  const tokens = await client.authorizationCodeGrant(basic, new URL(callback), checks);
  const refreshed = await client.refreshTokenGrant(basic, String(tokens.refresh_token));
  assert.ok(refreshed.access_token);
  const mixedUp = new URL(callback);
  mixedUp.searchParams.set("iss", "https://other.example");
  await assert.rejects(client.authorizationCodeGrant(basic, mixedUp, checks), (error: Error) =>
    /"iss" \(issuer\)/.test(String(error.cause)),
  );
});

test("while keys rotate and the platform restarts no good token is refused and no revoked one is taken", async () => {
  const jwks = createRemoteJWKSet(new URL(String(as.jwks_uri)), { cooldownDuration: 0 });
  const verify = (token: string) => jwtVerify(token, jwks, { issuer, audience: `${issuer}/v1`, typ: "at+jwt" });
  const { tokens } = await login({
    as,
    client: web,
    auth: authOf(web),
    redirect: REDIRECT,
    browser: new Browser(BOB),
    scope,
  });
  const revoked = await tokenFor();
  await oauth.revocationRequest(as, machine, authOf(machine), revoked, insecure);
  const good: string[] = [];
  let running = true;
  const load = (async () => {
    while (running) {
      const token = await tokenFor();
      good.push(token);
      await verify(token);
      assert.equal(await isActive(token), true);
      assert.equal(await isActive(revoked), false);
      await sleep(50);
    }
  })();
  await administrator(platform).request("POST", "/v1/signing-keys:rotate");
  const deadline = Date.now() + 60_000;
  while (decodeProtectedHeader(good.at(-1) ?? revoked).kid !== "es256-2" && Date.now() < deadline) await sleep(100);
  running = false;
  await load;
  const kids = good.map((token) => decodeProtectedHeader(token).kid);
  assert.deepEqual([...new Set(kids)], ["es256-1", "es256-2"]);

  output += platform.output();
  await platform.stop();
  platform = await startPlatform({ env: { ...env, ...platform.addresses }, dataDir: platform.dataDir });
  for (const token of [good[0], good.at(-1)]) assert.equal(await isActive(String(token)), true);
  assert.equal(await isActive(revoked), false);
  await verify(String(good[0]));
  const answer = await oauth.refreshTokenGrantRequest(as, web, authOf(web), String(tokens.refresh_token), insecure);
  assert.ok((await oauth.processRefreshTokenResponse(as, web, answer)).access_token);
});

test("a refresh whose process is killed once the token was used up is answered when it is tried again", async (t) => {
  const env = { DPOP_NONCE_REQUIRED: "0" };
  const preload = new URL("../support/killed-before-answer.ts", import.meta.url).href;
  let one = await startPlatform({ env, nodeOptions: [`--import=${preload}`] });
  t.after(() => one.stop());
  const server = await discover(issuerOf(one));
  const admin = administrator(one);
  await admin.user(BOB);
  const app = await admin.client({
    grant_types: ["authorization_code", "refresh_token"],
    redirect_uris: [REDIRECT],
    scope,
  });
  const auth = authOf(app);
  const { tokens } = await login({
    as: server,
    client: app,
    auth,
    redirect: REDIRECT,
    browser: new Browser(BOB),
    scope,
  });
  const refresh = () => oauth.refreshTokenGrantRequest(server, app, auth, String(tokens.refresh_token), insecure);
  await assert.rejects(async () => oauth.processRefreshTokenResponse(server, app, await refresh()));
  await one.kill();
  one = await startPlatform({ env: { ...env, ...one.addresses }, dataDir: one.dataDir });
  const answer = await oauth.processRefreshTokenResponse(server, app, await refresh());
  assert.notEqual(answer.refresh_token, tokens.refresh_token);
  assert.equal((await json(refresh()))["refresh_token"], answer.refresh_token, "and again within the grace");
});

test("no token, secret or password is in the log", async () => {
  const token = await tokenFor();
  for (const secret of [token, String(machine.client_secret), BOB.password])
    assert.ok(!(output + platform.output()).includes(secret));
});
