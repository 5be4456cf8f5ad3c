import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import * as oauth from "oauth4webapi";
import { administrator, Browser, discover, insecure, issuerOf, json, login } from "../support/oauth.ts";
import { startPlatform } from "../support/platform.ts";

const CAROL = { email: "carol@example.org", password: "correct horse battery" };
const REDIRECT = "https://client.example/cb";
const HONEST = 50;
const DOUBLES = 20;
const THIEVES = 100;
const GRACE_SECONDS = 10;
const AT_ONCE = 10;

interface Answer {
  refresh_token?: string;
  error?: string;
}

/** So many at once. */
async function each<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const left = [...items.entries()];
  const worker = async () => {
    for (let next = left.shift(); next; next = left.shift()) results[next[0]] = await work(next[1]);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

test(`of ${HONEST * DOUBLES} double refreshes none logs its honest client out, and ${THIEVES} thieves beyond the grace end ${THIEVES} families`, async (t) => {
  const env = { REFRESH_GRACE_SECONDS: String(GRACE_SECONDS), HTTP_RATE_LIMIT: "1000000" };
  const platform = await startPlatform({ env });
  t.after(() => platform.stop());
  const as = await discover(issuerOf(platform));
  const admin = administrator(platform);
  await admin.user(CAROL);
  const web = await admin.client({
    ...{ grant_types: ["authorization_code", "refresh_token"], redirect_uris: [REDIRECT] },
    scope: "openid email offline_access devices:read",
  });
  const auth = oauth.ClientSecretBasic(String(web.client_secret));
  const signIn = async () => {
    const browser = new Browser(CAROL);
    return String((await login({ as, client: web, auth, redirect: REDIRECT, browser })).tokens.refresh_token);
  };
  const refresh = async (token: string) =>
    (await json(oauth.refreshTokenGrantRequest(as, web, auth, token, insecure))) as Answer;

  /** What went wrong, if anything. */
  const honest = async (first: string) => {
    let token = first;
    for (let n = 0; n < DOUBLES; n++) {
      // Two at once, or the same again because the answer was lost.
      const both =
        Math.random() < 0.5
          ? await Promise.all([refresh(token), refresh(token)])
          : [await refresh(token), await refresh(token)];
      const [one, another] = both;
      if (!one?.refresh_token || one.refresh_token !== another?.refresh_token) return JSON.stringify(both);
      token = one.refresh_token;
    }
    return undefined;
  };

  const families = await each(Array.from({ length: HONEST + THIEVES }), signIn);
  const stolen = families.slice(HONEST);
  const kept = each(families.slice(0, HONEST), honest);
  const own = await each(stolen, refresh);
  assert.ok(own.every(({ refresh_token }) => refresh_token));
  await sleep(GRACE_SECONDS * 1000 + 500);
  const thefts = await each(stolen, refresh);
  const later = await each(own, ({ refresh_token }) => refresh(String(refresh_token)));
  assert.deepEqual((await kept).filter(Boolean), []);
  for (const { error } of [...thefts, ...later]) assert.equal(error, "invalid_grant");
  assert.equal(thefts.length, THIEVES);
});
