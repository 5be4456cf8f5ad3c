import type { webcrypto } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { exportJWK, SignJWT } from "jose";
import * as oauth from "oauth4webapi";
import { restClient } from "./rest.ts";

/** The platform's issuer where none is configured. */
export const issuerOf = ({ http }: { http: string }): string => `http://localhost:${new URL(http).port}`;

/** oauth4webapi speaks https only, unless told. */
export const insecure = { [oauth.allowInsecureRequests]: true } as const;

export async function discover(issuer: string): Promise<oauth.AuthorizationServer> {
  const url = new URL(issuer);
  return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, insecure));
}

export interface RegisteredClient extends oauth.Client {
  client_secret?: string;
}

/** Without a mail server the platform prints what it would have sent. */
export async function printedToken(output: () => string, email: string): Promise<string> {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await sleep(50)) {
    const line = output()
      .split("\n")
      .findLast((one) => one.includes("would have been sent") && one.includes(email));
    const [, token] = /token=([\w-]{43})/.exec(line ?? "") ?? [];
    if (token !== undefined) return token;
  }
  throw new Error(`no mail to ${email} was printed`);
}

/** Registers clients, users and issuers as an administrator does. */
export function administrator({ http, output }: { http: string; output(): string }) {
  const { request } = restClient(http);
  return {
    request,
    client: async (metadata: object): Promise<RegisteredClient> =>
      (await request("POST", "/v1/clients", metadata)) as RegisteredClient,
    /** By invitation: the mail is printed, the link followed and its form sent. */
    async user({ email, password }: { email: string; password: string }): Promise<{ sub: string }> {
      await request("POST", "/v1/invitations", { email, roles: ["viewer"] });
      const token = await printedToken(output, email);
      const page = `${issuerOf({ http })}/oauth/invitation`;
      const shown = await fetch(`${page}?token=${token}`);
      if (!(await shown.text()).includes(`value="${token}"`)) throw new Error("the page has no form");
      const body = new URLSearchParams({ token, password, name: email.replace(/@.*/, "") });
      const accepted = await fetch(page, { method: "POST", body });
      if (!accepted.ok) throw new Error(`${accepted.status} ${await accepted.text()}`);
      const { items } = (await request("GET", "/v1/users")) as { items: { id: string; email: string }[] };
      return { sub: String(items.find((user) => user.email === email)?.id) };
    },
    initialAccessToken: async (scope?: string): Promise<string> => {
      const body = scope === undefined ? {} : { scope };
      const made = await request("POST", "/v1/initial-access-tokens", body);
      return (made as { initialAccessToken: string }).initialAccessToken;
    },
  };
}

export const json = async (response: Response | Promise<Response>): Promise<Record<string, unknown>> =>
  (await (await response).json()) as Record<string, unknown>;

export const FORM = { "content-type": "application/x-www-form-urlencoded" };

/** A browser without scripts: cookies, redirects and forms. */
export class Browser {
  readonly #cookies = new Map<string, string>();
  readonly #user: { email: string; password: string };

  constructor(user: { email: string; password: string }) {
    this.#user = user;
  }

  async open(url: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    if (cookie) headers.set("cookie", cookie);
    const response = await fetch(url, { ...init, headers, redirect: "manual" });
    for (const one of response.headers.getSetCookie()) this.#keep(one);
    return response;
  }

  #keep(cookie: string): void {
    const [pair = "", ...attributes] = cookie.split("; ");
    const at = pair.indexOf("=");
    const gone = attributes.some((attribute) => /^expires=Thu, 01 Jan 1970/i.test(attribute));
    if (gone) this.#cookies.delete(pair.slice(0, at));
    else this.#cookies.set(pair.slice(0, at), pair.slice(at + 1));
  }

  submit(url: string, fields: Record<string, string>): Promise<Response> {
    const headers = { ...FORM, origin: new URL(url).origin };
    return this.open(url, { method: "POST", headers, body: new URLSearchParams(fields).toString() });
  }

  /**
   * Goes along redirects and forms, signs in and allows (or declines) until `there` says of an address or a page that it
   * is the end.
   */
  async walk(url: string, there: (where: string) => boolean, { decline = false } = {}): Promise<string> {
    let here = url;
    let response = await this.open(here);
    for (let step = 0; step < 20; step++) {
      const location = response.headers.get("location");
      if (location !== null) {
        here = new URL(location, here).href;
        if (there(here)) return here;
        response = await this.open(here);
        continue;
      }
      const text = await response.text();
      const [, action, kind] = /action="([^"]*\/interaction\/[^"]+\/(login|confirm))"/.exec(text) ?? [];
      if (action === undefined) {
        if (there(text)) return text;
        throw new Error(`stuck at ${here}: ${response.status} ${text.slice(0, 2000)}`);
      }
      const target = new URL(action, here).href;
      if (decline && kind === "confirm") response = await this.submit(target.replace(/confirm$/, "abort"), {});
      else response = await this.submit(target, kind === "login" ? { ...this.#user } : {});
    }
    throw new Error("too many steps");
  }
}

export interface ProofOptions {
  key: webcrypto.CryptoKeyPair;
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
  /** Seconds since 1970. */
  iat?: number;
}

/** A DPoP proof, with whatever is wrong with it. */
export async function proofOf({ key, claims = {}, header = {}, iat }: ProofOptions): Promise<string> {
  return new SignJWT({ jti: crypto.randomUUID(), ...claims })
    .setProtectedHeader({ alg: "ES256", typ: "dpop+jwt", jwk: await exportJWK(key.publicKey), ...header })
    .setIssuedAt(iat)
    .sign(key.privateKey);
}

export interface Login {
  as: oauth.AuthorizationServer;
  client: oauth.Client;
  auth: oauth.ClientAuth;
  redirect: string;
  browser: Browser;
  dpop?: oauth.DPoPHandle;
  /** Push the request first (RFC 9126). */
  par?: boolean;
  scope?: string;
  prompt?: string;
}

/** Authorization code with PKCE, to the end; `exchange` sends the code once more. */
export async function login({ as, client, auth, redirect, browser, dpop, par, scope, prompt = "consent" }: Login) {
  const verifier = oauth.generateRandomCodeVerifier();
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
  const extra = { ...insecure, ...(dpop && { DPoP: dpop }) };
  let query = new URLSearchParams({
    ...{ client_id: client.client_id, response_type: "code", redirect_uri: redirect, prompt, state, nonce },
    scope: scope ?? "openid email offline_access devices:read",
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  });
  if (par) {
    const pushed = await oauth.processPushedAuthorizationResponse(
      as,
      client,
      await oauth.pushedAuthorizationRequest(as, client, auth, query, extra),
    );
    query = new URLSearchParams({ client_id: client.client_id, request_uri: pushed.request_uri });
  }
  const callback = await browser.walk(`${as.authorization_endpoint}?${query}`, (where) => where.startsWith(redirect));
  const parameters = oauth.validateAuthResponse(as, client, new URL(callback), state);
  const exchange = () => oauth.authorizationCodeGrantRequest(as, client, auth, parameters, redirect, verifier, extra);
  const answer = await exchange();
  const checks = { expectedNonce: nonce, requireIdToken: true };
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer, checks);
  return { tokens, exchange };
}
