import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeJwt } from "jose";
import * as oauth from "oauth4webapi";
import {
  administrator,
  Browser,
  discover,
  FORM,
  insecure,
  issuerOf,
  json,
  type Login,
  login,
  type RegisteredClient,
} from "../support/oauth.ts";
import { type Platform, startPlatform } from "../support/platform.ts";

const ALICE = { email: "alice@example.org", password: "correct horse battery" };
const REDIRECT = "https://client.example/cb";

let platform: Platform;
let issuer: string;
let as: oauth.AuthorizationServer;
let admin: ReturnType<typeof administrator>;
let sub: string;
let web: RegisteredClient;
let spa: RegisteredClient;
const flows = { grant_types: ["authorization_code", "refresh_token"], redirect_uris: [REDIRECT] };
const scope = "openid email profile offline_access devices:read";

before(async () => {
  platform = await startPlatform({ env: { DEVICE_POLL_SECONDS: "2" } });
  issuer = issuerOf(platform);
  admin = administrator(platform);
  as = await discover(issuer);
  ({ sub } = await admin.user(ALICE));
  web = await admin.client({ ...flows, scope, client_name: "Web & <b>Co</b>" });
  spa = await admin.client({ ...flows, scope, token_endpoint_auth_method: "none" });
});
after(() => platform.stop());

const authOf = (client: RegisteredClient) =>
  client.client_secret === undefined ? oauth.None() : oauth.ClientSecretBasic(client.client_secret);
const signIn = (client: RegisteredClient, more: Partial<Login> = {}) =>
  login({ as, client, auth: authOf(client), redirect: REDIRECT, browser: new Browser(ALICE), ...more });
const refresh = (token: unknown, client: RegisteredClient, extra: object = {}) =>
  json(oauth.refreshTokenGrantRequest(as, client, authOf(client), String(token), { ...insecure, ...extra }));
const isActive = async (token: unknown) =>
  (await json(oauth.introspectionRequest(as, web, authOf(web), String(token), insecure))).active;

/** An authorization request with what is given in the place of what is right. */
const requestOf = async (wrong: Record<string, string | undefined> = {}, client = web) => {
  const right: Record<string, string | undefined> = {
    ...{ client_id: client.client_id, response_type: "code", redirect_uri: REDIRECT, scope: "openid", state: "s" },
    code_challenge: await oauth.calculatePKCECodeChallenge(oauth.generateRandomCodeVerifier()),
    code_challenge_method: "S256",
  };
  const given = Object.entries({ ...right, ...wrong }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]],
  );
  return `${as.authorization_endpoint}?${new URLSearchParams(given as [string, string][])}`;
};

describe("authorization code with PKCE", () => {
  test("login and consent lead to tokens of the user and the tenant", async () => {
    const { tokens } = await signIn(web);
    const claims = decodeJwt(tokens.access_token);
    assert.partialDeepStrictEqual(claims, {
      ...{ iss: issuer, aud: `${issuer}/v1`, sub, client_id: web.client_id, tenant: "default" },
      scope: "openid email devices:read",
    });
    assert.equal(decodeJwt(String(tokens.id_token)).sub, sub);
    assert.ok(tokens.refresh_token);
  });

  test("a code that is replayed is refused, and ends its tokens (RFC 6749 section 4.1.2)", async () => {
    const { tokens, exchange } = await signIn(web);
    assert.equal(await isActive(tokens.access_token), true);
    assert.equal((await json(exchange())).error, "invalid_grant");
    assert.equal((await refresh(tokens.refresh_token, web)).error, "invalid_grant");
    assert.equal(await isActive(tokens.access_token), false);
  });

  test("PKCE can't be left out or weakened, and a code needs its verifier", async () => {
    for (const wrong of [
      { code_challenge: undefined, code_challenge_method: undefined },
      { code_challenge_method: "plain" },
    ]) {
      const answer = await new Browser(ALICE).open(await requestOf(wrong));
      const back = new URL(String(answer.headers.get("location")));
      assert.equal(back.searchParams.get("error"), "invalid_request");
      assert.equal(back.searchParams.get("iss"), issuer);
    }
    const callback = await new Browser(ALICE).walk(await requestOf({ prompt: "consent" }), (where) =>
      where.startsWith(REDIRECT),
    );
    const code = String(new URL(callback).searchParams.get("code"));
    for (const verifier of [undefined, oauth.generateRandomCodeVerifier()]) {
      const body = {
        grant_type: "authorization_code",
        code,
        redirect_uri: REDIRECT,
        ...(verifier && { code_verifier: verifier }),
      };
      const answer = await fetch(String(as.token_endpoint), {
        method: "POST",
        headers: { ...FORM, authorization: `Basic ${btoa(`${web.client_id}:${web.client_secret}`)}` },
        body: new URLSearchParams(body as Record<string, string>),
      });
      assert.equal((await json(answer)).error, "invalid_grant");
    }
  });

  test("a redirect that is not registered is told on a page, never followed", async () => {
    for (const redirect_uri of ["https://evil.example/cb", `${REDIRECT}/more`, `${REDIRECT}?x=1`]) {
      const answer = await new Browser(ALICE).open(await requestOf({ redirect_uri }));
      assert.equal(answer.status, 400);
      assert.equal(answer.headers.get("location"), null);
      assert.match(await answer.text(), /invalid_redirect_uri/);
    }
  });

  test("of ten that bring one code at once one gets tokens, 20 times", async () => {
    const browser = new Browser(ALICE);
    for (let round = 0; round < 20; round++) {
      const verifier = oauth.generateRandomCodeVerifier();
      const code_challenge = await oauth.calculatePKCECodeChallenge(verifier);
      const callback = await browser.walk(await requestOf({ code_challenge, prompt: "consent" }), (where) =>
        where.startsWith(REDIRECT),
      );
      const parameters = oauth.validateAuthResponse(as, web, new URL(callback), "s");
      const ask = () =>
        json(oauth.authorizationCodeGrantRequest(as, web, authOf(web), parameters, REDIRECT, verifier, insecure));
      const answers = await Promise.all(Array.from({ length: 10 }, ask));
      assert.equal(answers.filter(({ access_token }) => access_token).length, 1);
      assert.ok(answers.every(({ access_token, error }) => access_token || error === "invalid_grant"));
    }
  });

  test("who declines sends the app access_denied", async () => {
    const url = await requestOf({ prompt: "consent" });
    const callback = await new Browser(ALICE).walk(url, (where) => where.startsWith(REDIRECT), { decline: true });
    assert.equal(new URL(callback).searchParams.get("error"), "access_denied");
  });

  test("a wrong password is told so, without saying which of the two is wrong", async () => {
    const browser = new Browser({ ...ALICE, password: "wrong" });
    const opened = await browser.open(await requestOf());
    const page = new URL(String(opened.headers.get("location")), issuer).href;
    await browser.open(page);
    const answers = [
      await browser.submit(`${page}/login`, { email: ALICE.email, password: "wrong" }),
      await browser.submit(`${page}/login`, { email: "nobody@example.org", password: "wrong" }),
    ];
    for (const answer of answers) {
      assert.equal(answer.status, 401);
      assert.match(await answer.text(), /role="alert">E-mail address or password is wrong\./);
    }
  });

  test("pages need no script, take none, are not framed, and escape what a client is called", async () => {
    const browser = new Browser(ALICE);
    const opened = await browser.open(await requestOf());
    const answer = await browser.open(new URL(String(opened.headers.get("location")), issuer).href);
    const policy = String(answer.headers.get("content-security-policy"));
    assert.match(
      policy,
      /default-src 'none'; style-src 'sha256-[^']+'; form-action 'self' https:\/\/client\.example; frame-ancestors 'none'/,
    );
    assert.equal(answer.headers.get("cache-control"), "no-store");
    const text = await answer.text();
    assert.match(text, /Web &#38; &#60;b&#62;Co/);
    assert.doesNotMatch(text, /<script|<b>/);
    assert.match(text, /<html lang="en">.*<label for="email">.*<label for="password">/s);
  });

  test("a form of another site is refused, and a page is its own browser's", async () => {
    const browser = new Browser(ALICE);
    const opened = await browser.open(await requestOf());
    const page = new URL(String(opened.headers.get("location")), issuer).href;
    const headers = { ...FORM, origin: "https://evil.example" };
    const forged = await browser.open(`${page}/login`, { method: "POST", headers, body: new URLSearchParams(ALICE) });
    assert.equal(forged.status, 403);
    const stranger = await new Browser(ALICE).submit(`${page}/login`, ALICE);
    assert.equal(stranger.status, 400);
  });
});

test("what was allowed is not asked again, in another browser neither; more than that is; each login ends by itself", async () => {
  const client = await admin.client({ ...flows, scope, client_name: "Remembered" });
  const asked: string[] = [];
  class Noting extends Browser {
    override async open(url: string, init?: RequestInit) {
      const response = await super.open(url, init);
      if (/\/interaction\/[^/]+$/.test(url)) asked.push(/<h1>([^<]*)/.exec(await response.clone().text())?.[1] ?? "");
      return response;
    }
  }
  const enter = (wanted: string, prompt = "login") =>
    login({
      ...{ as, client, auth: authOf(client), redirect: REDIRECT, browser: new Noting(ALICE), scope: wanted },
      prompt,
    });
  const first = await enter("openid offline_access devices:read", "login consent");
  const second = await enter("openid devices:read");
  await enter("openid devices:read email");
  const allow = "Allow Remembered?";
  assert.deepEqual(asked, ["Sign in", allow, "Sign in", "Sign in", allow]);
  assert.notEqual(decodeJwt(first.tokens.access_token)["gid"], decodeJwt(second.tokens.access_token)["gid"]);
  await oauth.revocationRequest(as, client, authOf(client), String(first.tokens.refresh_token), insecure);
  assert.equal((await refresh(first.tokens.refresh_token, client)).error, "invalid_grant");
  assert.equal(await isActive(first.tokens.access_token), false);
  assert.equal(await isActive(second.tokens.access_token), true);
});

describe("PAR and DPoP", () => {
  test("a public client's refresh token is bound: it stays, and is of no use without the key or with another", async () => {
    const dpop = oauth.DPoP(spa, await oauth.generateKeyPair("ES256"));
    const { tokens } = await signIn(spa, { dpop, par: true });
    assert.equal(tokens.token_type, "dpop");
    assert.equal((await refresh(tokens.refresh_token, spa)).error, "invalid_grant");
    const thief = oauth.DPoP(spa, await oauth.generateKeyPair("ES256"));
    assert.equal((await refresh(tokens.refresh_token, spa, { DPoP: thief })).error, "invalid_grant");
    const next = await refresh(tokens.refresh_token, spa, { DPoP: dpop });
    assert.equal(next.refresh_token, tokens.refresh_token);
    assert.equal(next.token_type, "DPoP");
  });

  test("a pushed request counts once", async () => {
    const query = new URL(await requestOf({}, spa)).searchParams;
    const answer = await oauth.pushedAuthorizationRequest(as, spa, oauth.None(), query, insecure);
    const { request_uri } = await oauth.processPushedAuthorizationResponse(as, spa, answer);
    const url = `${as.authorization_endpoint}?${new URLSearchParams({ client_id: spa.client_id, request_uri })}`;
    await new Browser(ALICE).walk(url, (where) => where.startsWith(REDIRECT));
    const again = await new Browser(ALICE).open(url);
    assert.match((await again.text()) + again.headers.get("location"), /invalid_request_uri/);
  });
});

describe("userinfo with the access token of the interface", () => {
  test("as Bearer, and bound by DPoP", async () => {
    const { tokens } = await signIn(web, { scope });
    const answer = await oauth.userInfoRequest(as, web, tokens.access_token, insecure);
    const claims = await oauth.processUserInfoResponse(as, web, sub, answer);
    assert.deepEqual(claims, { sub, name: "alice", email: "alice@example.org", email_verified: true });

    const dpop = oauth.DPoP(spa, await oauth.generateKeyPair("ES256"));
    const bound = (await signIn(spa, { dpop })).tokens.access_token;
    const shown = await oauth.userInfoRequest(as, spa, bound, { ...insecure, DPoP: dpop });
    assert.equal((await oauth.processUserInfoResponse(as, spa, sub, shown)).sub, sub);
  });

  const ask = (headers: Record<string, string>) => fetch(String(as.userinfo_endpoint), { headers });

  test("a bound token as Bearer, or with another's proof, and one that is revoked are refused", async () => {
    const dpop = oauth.DPoP(spa, await oauth.generateKeyPair("ES256"));
    const { tokens } = await signIn(spa, { dpop });
    const downgrade = await ask({ authorization: `Bearer ${tokens.access_token}` });
    assert.equal(downgrade.status, 401);
    assert.match(String(downgrade.headers.get("www-authenticate")), /error="invalid_token"/);
    const thief = oauth.DPoP(spa, await oauth.generateKeyPair("ES256"));
    await assert.rejects(
      async () =>
        oauth.processUserInfoResponse(
          as,
          spa,
          sub,
          await oauth.userInfoRequest(as, spa, tokens.access_token, { ...insecure, DPoP: thief }),
        ),
      { status: 401 },
    );
    await oauth.revocationRequest(as, spa, oauth.None(), tokens.access_token, insecure);
    await assert.rejects(
      async () =>
        oauth.processUserInfoResponse(
          as,
          spa,
          sub,
          await oauth.userInfoRequest(as, spa, tokens.access_token, { ...insecure, DPoP: dpop }),
        ),
      { status: 401 },
    );
  });

  test("a client's own token has no user", async () => {
    const client = await admin.client({ grant_types: ["client_credentials"], scope: "devices:read" });
    const granted = await oauth.clientCredentialsGrantRequest(as, client, authOf(client), {}, insecure);
    const { access_token } = await oauth.processClientCredentialsResponse(as, client, granted);
    assert.equal((await ask({ authorization: `Bearer ${access_token}` })).status, 403);
    assert.equal((await ask({})).status, 401);
  });
});

describe("refresh", () => {
  test("whose answer was lost is answered again; once its successor was used, it is reuse and ends the family", async () => {
    const { tokens } = await signIn(web);
    const one = await refresh(tokens.refresh_token, web);
    const again = await refresh(tokens.refresh_token, web);
    assert.notEqual(one.refresh_token, tokens.refresh_token);
    assert.equal(again.refresh_token, one.refresh_token);
    assert.equal(again.access_token, one.access_token);
    const two = await refresh(one.refresh_token, web);
    assert.ok(two.refresh_token);
    assert.equal((await refresh(tokens.refresh_token, web)).error, "invalid_grant");
    assert.equal((await refresh(two.refresh_token, web)).error, "invalid_grant");
    assert.equal(await isActive(two.access_token), false);
  });

  test("that asks for something else in the grace is reuse", async () => {
    const { tokens } = await signIn(web);
    await refresh(tokens.refresh_token, web);
    const other = { additionalParameters: { scope: "devices:read" } };
    assert.equal((await refresh(tokens.refresh_token, web, other)).error, "invalid_grant");
  });

  test("ten at once of one honest client get one successor, which works, 20 times", async () => {
    let { refresh_token: token } = (await signIn(web)).tokens as { refresh_token?: unknown };
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all(Array.from({ length: 10 }, () => refresh(token, web)));
      assert.deepEqual([...new Set(answers.map(({ error }) => error))], [undefined]);
      const successors = new Set(answers.map(({ refresh_token }) => refresh_token));
      assert.equal(successors.size, 1);
      [token] = successors;
    }
  });

  test("with a refresh token that is revoked its access tokens end (RFC 7009 section 2.1)", async () => {
    const { tokens } = await signIn(web);
    const answer = await oauth.revocationRequest(as, web, authOf(web), String(tokens.refresh_token), insecure);
    await oauth.processRevocationResponse(answer);
    assert.equal(await isActive(tokens.access_token), false);
  });

  test("another client's refresh token is refused", async () => {
    const { tokens } = await signIn(web);
    assert.equal((await refresh(tokens.refresh_token, spa)).error, "invalid_grant");
    assert.ok((await refresh(tokens.refresh_token, web)).access_token);
  });
});

describe("device authorization (RFC 8628)", () => {
  const DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code";
  let tv: RegisteredClient;
  before(async () => {
    tv = await admin.client({
      ...{ grant_types: [DEVICE_CODE, "refresh_token"], token_endpoint_auth_method: "none", client_name: "TV", scope },
    });
  });

  const begin = async () =>
    oauth.processDeviceAuthorizationResponse(
      as,
      tv,
      await oauth.deviceAuthorizationRequest(
        as,
        tv,
        oauth.None(),
        { scope: "openid offline_access devices:read" },
        insecure,
      ),
    );
  const poll = (code: string, extra: object = {}) =>
    json(oauth.deviceCodeGrantRequest(as, tv, oauth.None(), code, { ...insecure, ...extra }));

  for (const decision of ["approved", "declined"] as const)
    test(`${decision}: authorization_pending, slow_down, and the answer at once`, async () => {
      const started = await begin();
      assert.equal(started.interval, 2);
      const errors = [];
      for (let n = 0; n < 3; n++) errors.push((await poll(started.device_code)).error);
      assert.deepEqual(errors, ["authorization_pending", "slow_down", "slow_down"]);

      const browser = new Browser(ALICE);
      const form = await (await browser.open(started.verification_uri)).text();
      const xsrf = String(/name="xsrf" value="([^"]+)"/.exec(form)?.[1]);
      assert.match(form, /<label for="user_code">/);
      const typed = { xsrf, user_code: started.user_code.toLowerCase() };
      assert.match(await (await browser.submit(started.verification_uri, typed)).text(), /Is this your device\?/);
      const confirmed = await browser.submit(started.verification_uri, { ...typed, confirm: "yes" });
      const next = new URL(String(confirmed.headers.get("location")), issuer).href;
      const done = /The device (is|was not) connected/;
      let last: Record<string, unknown>;
      await browser.walk(next, (where) => done.test(where), { decline: decision === "declined" });

      const dpop = () => oauth.generateKeyPair("ES256").then((key) => ({ DPoP: oauth.DPoP(tv, key) }));
      if (decision === "approved") {
        const bound = await Promise.all(Array.from({ length: 10 }, dpop));
        const answers = await Promise.all(bound.map((extra) => poll(started.device_code, extra)));
        last = answers.find(({ access_token }) => access_token) ?? {};
        assert.equal(answers.filter(({ access_token }) => access_token).length, 1, "of ten at once");
      } else last = await poll(started.device_code);
      if (decision === "declined") assert.equal(last.error, "access_denied");
      else {
        assert.equal(last.token_type, "DPoP");
        assert.partialDeepStrictEqual(decodeJwt(String(last.access_token)), { sub, tenant: "default" });
        assert.ok(last.refresh_token);
      }
      assert.equal((await poll(started.device_code)).error, "invalid_grant");
    });

  test("a code that nobody was given is told on the page", async () => {
    const browser = new Browser(ALICE);
    const form = await (await browser.open(`${issuer}/oauth/device`)).text();
    const xsrf = String(/name="xsrf" value="([^"]+)"/.exec(form)?.[1]);
    const answer = await browser.submit(`${issuer}/oauth/device`, { xsrf, user_code: "AAAA-AAAA" });
    assert.match(await answer.text(), /role="alert">There is no such code/);
  });
});

test("after a logout the browser is asked to sign in again", async () => {
  const browser = new Browser(ALICE);
  const { tokens } = await signIn(web, { browser });
  const silent = async () => {
    const answer = await browser.open(await requestOf({ prompt: "none" }));
    return new URL(String(answer.headers.get("location"))).searchParams;
  };
  assert.ok((await silent()).get("code"));
  const out = await browser.open(
    `${as.end_session_endpoint}?${new URLSearchParams({ id_token_hint: String(tokens.id_token) })}`,
  );
  const form = await out.text();
  const xsrf = String(/name="xsrf" value="([^"]+)"/.exec(form)?.[1]);
  const done = await browser.submit(`${issuer}/oauth/session/end/confirm`, { xsrf, logout: "yes" });
  assert.match(String(done.headers.get("location")), /\/oauth\/session\/end\/success/);
  assert.equal((await silent()).get("error"), "login_required");
});

describe("accounts", () => {
  const page = (name: string) => `${issuer}/oauth/${name}`;
  const send = (name: string, fields: Record<string, string>) =>
    fetch(page(name), { method: "POST", body: new URLSearchParams(fields) });

  test("a forgotten password is set anew by a link that is good once, and of unknown addresses nothing is told", async () => {
    const dave = { email: "dave@example.org", password: "correct horse battery" };
    await admin.user(dave);
    const asked = await Promise.all(
      [dave.email, "nobody@example.org"].map(async (email) => (await send("forgotten", { email })).text()),
    );
    assert.equal(asked[0], asked[1]);
    const mail = () =>
      platform
        .output()
        .split("\n")
        .filter((line) => line.includes("password-reset?token="));
    for (const end = Date.now() + 20_000; mail().length === 0 && Date.now() < end; ) await sleep(50);
    const token = String(/token=([\w-]{43})/.exec(mail().join())?.[1]);
    assert.match(await (await fetch(`${page("password-reset")}?token=${token}`)).text(), /<label for="password">/);
    const short = await send("password-reset", { token, password: "short" });
    assert.equal(short.status, 422);
    assert.match(await short.text(), /role="alert">password must have at least 12 characters/);
    const renewed = "another horse battery";
    assert.equal((await send("password-reset", { token, password: renewed })).status, 200);
    assert.equal((await send("password-reset", { token, password: renewed })).status, 410);
    await signIn(web, { browser: new Browser({ ...dave, password: renewed }) });
  });

  test("who guesses too often is told when to come again", async () => {
    const browser = new Browser(ALICE);
    const opened = await browser.open(await requestOf());
    const login = new URL(String(opened.headers.get("location")), issuer).href;
    let answer: Response | undefined;
    for (let n = 0; n < 11; n++)
      answer = await browser.submit(`${login}/login`, { email: "eve@example.org", password: "x" });
    assert.equal(answer?.status, 429);
    assert.match(String(answer?.headers.get("retry-after")), /^[1-9]\d*$/);
  });

  test("who is taken out of the tenant is given nothing more", async () => {
    const frank = { email: "frank@example.org", password: "correct horse battery" };
    const { sub: userId } = await admin.user(frank);
    const browser = new Browser(frank);
    const { tokens } = await signIn(web, { browser });
    await admin.request("DELETE", `/v1/users/${userId}`);
    assert.equal((await refresh(tokens.refresh_token, web)).error, "invalid_grant");
    assert.equal((await oauth.userInfoRequest(as, web, tokens.access_token, insecure)).status, 401);
    const opened = await browser.open(await requestOf({ prompt: "none" }));
    assert.equal(new URL(String(opened.headers.get("location"))).searchParams.get("error"), "login_required");
    const asked = await browser.open(await requestOf());
    const login = await browser.open(new URL(String(asked.headers.get("location")), issuer).href);
    assert.match(await login.text(), /<h1>Sign in<\/h1>/);
  });
});
