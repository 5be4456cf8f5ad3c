import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
  type CryptoKey,
  exportJWK,
  type GenerateKeyPairResult,
  generateKeyPair,
  type JSONWebKeySet,
  type JWTHeaderParameters,
  SignJWT,
} from "jose";
import { digest } from "../../lib/tokens/digest.ts";

export const seconds = () => Math.floor(Date.now() / 1000);

/** Claims and header parameters of a token; `undefined` leaves one out. */
type Changes = Record<string, unknown>;

const withoutUndefined = (values: Changes) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

/** An issuer of JWT access tokens (RFC 9068) on a port of its own. */
export async function startIssuer() {
  let kid = randomUUID();
  let pair = await generateKeyPair("ES256", { extractable: true });
  let document: JSONWebKeySet = { keys: [] };
  let requests = 0;
  const publish = async (kept: JSONWebKeySet["keys"] = []) => {
    document = { keys: [...kept, { ...(await exportJWK(pair.publicKey)), kid, alg: "ES256", use: "sig" }] };
  };
  await publish();
  const server = createServer((request, response) => {
    requests++;
    if (request.url !== "/oauth/jwks") return void response.writeHead(404).end();
    response.writeHead(200, { "content-type": "application/jwk-set+json" }).end(JSON.stringify(document));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    issuer,
    jwksUrl: `${issuer}/oauth/jwks`,
    requests: () => requests,
    jwks: () => document,
    /** Signs with a new key from now on. */
    async rotate({ keepsFormer = true } = {}) {
      kid = randomUUID();
      pair = await generateKeyPair("ES256", { extractable: true });
      await publish(keepsFormer ? document.keys : []);
    },
    /** A token of tenant `default` for ten minutes. */
    token(claims: Changes = {}, header: Changes = {}, key: CryptoKey | Uint8Array = pair.privateKey): Promise<string> {
      return new SignJWT(
        withoutUndefined({
          iss: issuer,
          aud: `${issuer}/v1`,
          sub: "tester",
          client_id: "tests",
          tenant: "default",
          jti: randomUUID(),
          iat: seconds(),
          exp: seconds() + 600,
          ...claims,
        }),
      )
        .setProtectedHeader(withoutUndefined({ alg: "ES256", typ: "at+jwt", kid, ...header }) as JWTHeaderParameters)
        .sign(key);
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
export type TestIssuer = Awaited<ReturnType<typeof startIssuer>>;

/** A caller that has a key: makes proofs, of which any part may be made wrong. */
export async function proofKey(alg: "ES256" | "Ed25519" = "ES256") {
  const pair: GenerateKeyPairResult = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(pair.publicKey);
  const { kty, crv, x, y } = jwk;
  const jkt = digest(JSON.stringify(alg === "ES256" ? { crv, kty, x, y } : { crv, kty, x }));
  return {
    ...{ alg, jwk, jkt, privateKey: pair.privateKey },
    privateJwk: () => exportJWK(pair.privateKey),
    /** A proof for the request; `undefined` leaves a claim or parameter out. */
    proof(
      { method, url, token }: { method: string; url: string; token?: string | undefined },
      claims: Changes = {},
      header: Changes = {},
      key: CryptoKey | Uint8Array = pair.privateKey,
    ): Promise<string> {
      const all = {
        ...{ jti: randomUUID(), htm: method, htu: url, iat: seconds() },
        ...(token === undefined ? {} : { ath: digest(token) }),
        ...claims,
      };
      return new SignJWT(withoutUndefined(all))
        .setProtectedHeader(withoutUndefined({ alg, typ: "dpop+jwt", jwk, ...header }) as JWTHeaderParameters)
        .sign(key);
    },
  };
}
export type TestProofKey = Awaited<ReturnType<typeof proofKey>>;

/** A JWT with this header and body and no signature. */
export const unsigned = (header: object, body: string): string =>
  `${Buffer.from(JSON.stringify(header)).toString("base64url")}.${body}.`;

/** Fetches as RFC 9449 has it: a proof for each request, again with the nonce where the server asks for one. */
export async function fetchBound(key: TestProofKey, token: string, url: string, init: RequestInit = {}) {
  const { method = "GET", headers } = init;
  const send = async (claims: Changes = {}) =>
    fetch(url, {
      ...init,
      headers: {
        ...(headers as Record<string, string>),
        authorization: `DPoP ${token}`,
        dpop: await key.proof({ method, url, token }, claims),
      },
    });
  const first = await send();
  const nonce = first.headers.get("dpop-nonce");
  if (first.status !== 401 || nonce === null) return first;
  await first.body?.cancel();
  return send({ nonce });
}
