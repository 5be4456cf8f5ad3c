import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Validator } from "@seriousme/openapi-schema-validator";
import type { ServiceSchema } from "moleculer";
import { closeDocumentStore, openDocumentStore } from "../../lib/document-store.ts";
import { OAUTH_ENDPOINTS } from "../../schemas/oauth-endpoints.ts";
import { deadLetterModel } from "../../services/dead-letters/dead-letter.model.ts";
import { PUBLIC_ROUTES } from "../../services/gateway/public-routes.ts";
import { as, startBroker } from "../support/broker.ts";
import { freePort } from "../support/engines/process.ts";
import { startSmtp } from "../support/smtp.ts";
import { fetchBound, proofKey, startIssuer } from "../support/token-issuer.ts";

/** Whatever is added here is served to everybody. */
const PUBLIC = ["GET /", "GET /health/live", "GET /health/ready", "GET /openapi.json"];
const SCOPES = [
  ...["devices:read", "devices:write", "settings:read", "settings:write", "telemetry:read", "telemetry:write"],
  ...["dead-letters:read", "dead-letters:write", "users:read", "users:write", "audit:read"],
  ...["metrics:read", "tenants:read", "tenants:write", "clients:read", "clients:write", "keys:write"],
];
/** Of the platform as a whole: their scopes are for who runs it, of whichever tenant. */
const PLATFORM = [
  "GET /metrics",
  "GET /v1/tenants",
  "POST /v1/tenants",
  "PATCH /v1/tenants/:tenantId",
  "POST /v1/signing-keys:rotate",
];
/** Stands in everything that tenant `default` has. */
const MARKER = "of-default-only";
const ID = "shared-id";
const WAIT = { timeout: 15_000 };
const LETTERS = [1, 2, 3, 4].map((n) => `letter${n}`.padEnd(22, "-"));

const issuer = await startIssuer();
const smtp = await startSmtp();
const port = await freePort();
const http = `http://127.0.0.1:${port}`;
const files = globSync(new URL("../../services/**/*.service.ts", import.meta.url).pathname).sort();
const services = await Promise.all(files.map(async (file) => (await import(file)).default as ServiceSchema));
const env = {
  ...{ AUTH: "required", ISSUER: issuer.issuer, JWKS_URL: issuer.jwksUrl, PUBLIC_ORIGINS: http },
  ...{ HTTP_PORT: String(port), HTTP_RATE_LIMIT: "100000", SMTP_URL: smtp.url },
};
const { broker, call, stop, folder } = await startBroker(services, env);
after(async () => {
  await stop();
  await smtp.stop();
  await issuer.close();
});

interface Alias {
  method: string;
  fullPath: string;
}
interface Operation {
  security?: Record<string, string[]>[];
  parameters?: { $ref?: string }[];
}
interface Request {
  path?: string;
  body?: unknown;
  lines?: string;
}

const gateway = broker.getLocalService("gateway") as unknown as { aliases: Alias[] };
const served = gateway.aliases.map(({ method, fullPath }) => `${method} ${fullPath.replaceAll("\\", "")}`).sort();
/** Endpoints of the authorization server authenticate by their own rules. */
const isProtocol = (route: string) => /^\w+ \/(oauth|\.well-known)\//.test(route);
const routes = served.filter((route) => !isProtocol(route));
const document = (await (await fetch(`${http}/openapi.json`)).json()) as {
  paths: Record<string, Record<string, Operation>>;
  components: { securitySchemes: Record<string, { flows?: Record<string, { scopes: object }> }> };
};
const documented = new Map(
  Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ":$1")}`,
      operation,
    ]),
  ),
);

const token = (tenant: string, scopes: readonly string[]) => issuer.token({ tenant, scope: scopes.join(" ") });
const scopeOf = (route: string) => documented.get(route)?.security?.[0]?.["oauth2"]?.[0];

async function ask(route: string, { path, body, lines }: Request, authorization?: string) {
  const [method = "", pattern = ""] = route.split(" ");
  const type = lines === undefined ? "application/json" : "application/x-ndjson";
  const content = lines ?? (body === undefined ? undefined : JSON.stringify(body));
  const response = await fetch(`${http}${path ?? pattern}`, {
    method,
    headers: {
      ...(authorization === undefined ? {} : { authorization: `Bearer ${authorization}` }),
      ...(content === undefined ? {} : { "content-type": type }),
    },
    ...(content === undefined ? {} : { body: content }),
  });
  const challenges = response.headers.get("www-authenticate") ?? "";
  return { status: response.status, challenges, text: await response.text() };
}

/** What is in tenant `default` before, so that another tenant could find it. */
async function fill() {
  const mine = as("default");
  await call("device-registry.putType", { typeId: "kettle", metrics: { text: { description: MARKER } } }, mine);
  await call("device-registry.putType", { typeId: "unused" }, mine);
  const device = { id: ID, name: MARKER, groups: [MARKER], type: "kettle" };
  await call("device-registry.register", device, mine);
  await call("device-registry.register", { id: "to-delete", name: MARKER }, mine);
  await call("device-registry.putConfig", { deviceId: ID, config: { text: MARKER } }, mine);
  const { credentialId } = await call("device-registry.issueCredential", { deviceId: ID }, mine);
  await call("telemetry.write", { deviceId: ID, readings: [{ values: { text: MARKER } }] }, mine);
  for (const rejectionId of ["r1", "r2", "r3", "r4"])
    await broker.publish(
      "telemetry.rejected",
      {
        ...{ tenantId: "default", deviceId: ID, rejectionId, receivedAt: 1_767_225_600_000_000 },
        ...{ topic: "devices/me/telemetry", reason: MARKER },
        payload: Buffer.from(JSON.stringify({ text: MARKER })).toString("base64"),
      },
      { key: `default/${ID}` },
    );
  const documents = await openDocumentStore({ file: join(folder, "documents.db"), synchronous: "NORMAL" });
  const letters = deadLetterModel(documents);
  for (const [place, letterId] of LETTERS.entries())
    await letters.create({
      ...{ _id: `default/${letterId}`, tenantId: "default", letterId, kind: "facts", channel: "telemetry.received" },
      ...{ group: "store", deviceId: ID, key: `default/${ID}`, cause: "rejected", errorMessage: MARKER },
      ...{ errorType: "X", attempts: 1, position: "1", publishedAt: new Date(), deadAt: new Date(), headers: [] },
      payload: JSON.stringify({
        ...{ tenantId: "default", deviceId: ID, messageId: letterId, receivedAt: 1_767_225_600_000_000 },
        readings: [{ ts: 1_767_225_600_000_000, seq: place, values: { text: MARKER } }],
      }),
      ...{ complete: true, revision: 0 },
    });
  await closeDocumentStore(documents);
  await call("users.invite", { email: `${MARKER}@example.org`, roles: ["viewer"] }, mine);
  const { userId } = await call("users.acceptInvitation", {
    ...{ token: await mailedToken(), name: MARKER, password: "correct horse battery" },
  });
  const metadata = { client_name: MARKER, grant_types: ["client_credentials" as const] };
  const { client_id: clientId } = await call("oauth.createClient", metadata, mine);
  const { id } = await call("users.invite", { email: `invited-${MARKER}@example.org`, roles: ["viewer"] }, mine);
  return { credentialId, userId, clientId, invitationId: id };
}

async function mailedToken(): Promise<string> {
  for (const end = Date.now() + WAIT.timeout; Date.now() < end; await sleep(50)) {
    const text = smtp.mails.at(-1)?.text.replaceAll("=\n", "").replaceAll("=3D", "=") ?? "";
    const [, found] = /token=([\w-]{43})/.exec(text) ?? [];
    if (found) return found;
  }
  return assert.fail("no mail came");
}
const filled = await fill();

/** A request of each route that succeeds for who may; those that take something away come last. */
const requests: Record<string, Request> = {
  "GET /": {},
  "GET /health/live": {},
  "GET /health/ready": {},
  "GET /openapi.json": {},
  "GET /metrics": {},
  "GET /v1/devices": {},
  "GET /v1/devices/:deviceId": {},
  "GET /v1/devices/:deviceId/credentials": {},
  "GET /v1/devices/:deviceId/config": {},
  "GET /v1/devices/:deviceId/readings": {},
  "GET /v1/devices/:deviceId/latest": {},
  "GET /v1/latest": { path: `/v1/latest?deviceIds=${ID}` },
  "GET /v1/groups": {},
  "GET /v1/device-types": {},
  "GET /v1/device-types/:typeId": {},
  "GET /v1/settings": {},
  "GET /v1/rejected-messages": {},
  "GET /v1/rejected-messages/:rejectionId": {},
  "GET /v1/dead-letters": {},
  "GET /v1/dead-letters/:deadLetterId": {},
  "GET /v1/users": {},
  "GET /v1/users/:userId": {},
  "GET /v1/invitations": {},
  "GET /v1/audit": {},
  "GET /v1/audit/head": {},
  "GET /v1/tenants": {},
  "GET /v1/clients": {},
  "GET /v1/clients/:clientId": {},
  "GET /v1/trusted-issuers": {},
  "POST /v1/clients": { body: { grant_types: ["client_credentials"] } },
  "POST /v1/clients/:clientId/secret": {},
  "POST /v1/initial-access-tokens": { body: {} },
  "POST /v1/signing-keys:rotate": {},
  "POST /v1/trusted-issuers": {
    body: {
      ...{ issuer: "factory", jwks: { keys: [{ kty: "EC" }] }, algorithms: ["ES256"] },
      ...{ scope: "devices:read", subjectPrefix: "d-" },
    },
  },
  "DELETE /v1/trusted-issuers": { path: "/v1/trusted-issuers?issuer=factory" },
  "DELETE /v1/clients/:clientId": {},
  "POST /v1/tenants": { body: { id: "acme", admin: "admin@example.org" } },
  "PATCH /v1/tenants/:tenantId": { path: "/v1/tenants/acme", body: { name: "Acme" } },
  "POST /v1/invitations": { body: { email: "somebody@example.org", roles: ["viewer"] } },
  "PATCH /v1/users/:userId": { body: { roles: ["editor"] } },
  "POST /v1/devices": { body: { id: "made" } },
  "POST /v1/devices:batch": { lines: '{"id":"made-2"}\n' },
  "POST /v1/devices/:deviceId/credentials": {},
  "POST /v1/devices/:deviceId/readings": { body: { readings: [{ values: { n: 1 } }] } },
  "PUT /v1/devices/:deviceId/config": { body: { config: { n: 1 } } },
  "PUT /v1/device-types/:typeId": { body: { retentionDays: 7 } },
  "PUT /v1/settings": { body: { retentionDays: 30 } },
  "PATCH /v1/devices/:deviceId": { body: { name: "Changed" } },
  "PATCH /v1/dead-letters/:deadLetterId": {
    body: {
      payload: {
        ...{ tenantId: "default", deviceId: ID, messageId: "edited" },
        ...{ receivedAt: 1_767_225_600_000_000, readings: [] },
      },
    },
  },
  "POST /v1/dead-letters/:deadLetterId:redrive": { path: `/v1/dead-letters/${LETTERS[1]}:redrive` },
  "POST /v1/dead-letters:redrive": { body: { deviceId: ID, limit: 1 } },
  "POST /v1/rejected-messages/:rejectionId:redrive": { path: "/v1/rejected-messages/r2:redrive" },
  "POST /v1/rejected-messages:redrive": { body: { deviceId: ID, limit: 1 } },
  "DELETE /v1/rejected-messages/:rejectionId": { path: "/v1/rejected-messages/r4" },
  "DELETE /v1/dead-letters/:deadLetterId": { path: `/v1/dead-letters/${LETTERS[3]}` },
  "POST /v1/rejected-messages:discard": { body: { deviceId: ID } },
  "POST /v1/dead-letters:discard": { body: { deviceId: ID } },
  "DELETE /v1/devices/:deviceId/credentials/:credentialId": {},
  "DELETE /v1/devices/:deviceId/readings": {},
  "DELETE /v1/device-types/:typeId": { path: "/v1/device-types/unused" },
  "DELETE /v1/devices/:deviceId": { path: "/v1/devices/to-delete" },
  "DELETE /v1/invitations/:invitationId": {},
  "DELETE /v1/users/:userId": {},
};
const PARAMETERS: Record<string, string> = {
  ...{ deviceId: ID, typeId: "kettle", rejectionId: "r1", deadLetterId: String(LETTERS[0]), ...filled },
};
for (const [route, request] of Object.entries(requests))
  request.path ??= (route.split(" ")[1] ?? "").replaceAll(/\/:(\w+)/g, (_, name) => `/${PARAMETERS[name]}`);
const request = (route: string) => requests[route] as Request;

test("routes of the running gateway, of the API document and of this test are the same", () => {
  assert.deepEqual([...documented.keys()].sort(), routes);
  assert.deepEqual(Object.keys(requests).sort(), routes);
});

test("beside them there are the endpoints of the authorization server, those of its table", () => {
  const table = Object.values(OAUTH_ENDPOINTS).flatMap(({ routes }): readonly string[] => routes);
  assert.deepEqual(
    served.filter((route) => isProtocol(route) && !route.startsWith("OPTIONS ")),
    table.toSorted(),
  );
});

test("the public routes are those of the list, in the code and in the document", () => {
  assert.deepEqual([...PUBLIC_ROUTES].sort(), PUBLIC);
  const open = [...documented].filter(([, { security }]) => security?.length === 0).map(([route]) => route);
  assert.deepEqual(open.sort(), PUBLIC);
});

test("the document is valid, and every other operation has one scope, the DPoP scheme and its header", async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(document) as Record<string, unknown>);
  assert.ok(valid, JSON.stringify(errors));
  const used = new Set<string>();
  for (const [route, { security = [], parameters = [] }] of documented) {
    if (PUBLIC.includes(route)) continue;
    const scope = String(scopeOf(route));
    used.add(scope);
    assert.deepEqual(security, [{ oauth2: [scope] }, { openIdConnect: [scope] }, { dpop: [scope] }], route);
    assert.ok(
      parameters.some(({ $ref }) => $ref === "#/components/parameters/DPoP"),
      route,
    );
  }
  assert.deepEqual([...used].sort(), [...SCOPES].sort());
  const flows = document.components.securitySchemes["oauth2"]?.flows ?? {};
  for (const flow of ["authorizationCode", "clientCredentials"])
    assert.deepEqual(Object.keys(flows[flow]?.scopes ?? {}).sort(), [...SCOPES].sort());
});

test("anonymous: exactly the public routes answer, everything else is 401 with both challenges", async () => {
  const answered: string[] = [];
  for (const route of routes) {
    const { status, challenges, text } = await ask(route, request(route));
    if (status !== 401) {
      assert.equal(status, 200, `${route}: ${text}`);
      answered.push(route);
      continue;
    }
    const scope = scopeOf(route);
    assert.equal(challenges, `Bearer scope="${scope}", DPoP scope="${scope}", algs="ES256 EdDSA Ed25519"`);
    assert.equal(JSON.parse(text).code, "CREDENTIALS_MISSING");
  }
  assert.deepEqual(answered, PUBLIC);
});

test("a token with every scope but the route's is 403 and told which", async () => {
  for (const route of routes.filter((one) => !PUBLIC.includes(one))) {
    const scope = String(scopeOf(route));
    const others = await token(
      "default",
      SCOPES.filter((one) => one !== scope),
    );
    const { status, challenges, text } = await ask(route, request(route), others);
    assert.equal(status, 403, `${route}: ${text}`);
    assert.match(challenges, new RegExp(`^Bearer error="insufficient_scope", scope="${scope}", DPoP algs=`));
    assert.equal(JSON.parse(text).code, "INSUFFICIENT_SCOPE");
  }
});

/** All that `default` has. */
async function snapshot() {
  const all = await token("default", SCOPES);
  const lists = routes.filter((route) => /^GET \/v1\//.test(route) && !PLATFORM.includes(route));
  return Object.fromEntries(
    await Promise.all(lists.map(async (route) => [route, (await ask(route, request(route), all)).text] as const)),
  );
}

test("another tenant with all scopes finds nothing of what is there, and changes nothing of it", async (t) => {
  await t.waitFor(async () => {
    const now = await snapshot();
    for (const route of [
      "GET /v1/latest",
      "GET /v1/rejected-messages/:rejectionId",
      "GET /v1/devices/:deviceId/readings",
    ])
      assert.match(String(now[route]), new RegExp(MARKER), route);
  }, WAIT);
  const before = await snapshot();
  const other = await token("other", SCOPES);
  for (const route of routes.filter((one) => !PUBLIC.includes(one) && !PLATFORM.includes(one))) {
    const { status, text } = await ask(route, request(route), other);
    assert.ok(status < 500 && status !== 401 && status !== 403, `${route}: ${status} ${text}`);
    assert.equal(text.includes(MARKER), false, `${route}: ${text}`);
    const reads = /^GET .*\/:(deviceId|deviceId\/(config|credentials)|userId|typeId|rejectionId|deadLetterId)$/.test(
      route,
    );
    if (reads) assert.equal(status, 404, `${route}: ${text}`);
  }
  assert.deepEqual(await snapshot(), before);
  // What it did is in its own trail, by its own name.
  await t.waitFor(async () => {
    const { text } = await ask("GET /v1/audit", { path: "/v1/audit?action=device-registry.register" }, other);
    const { items } = JSON.parse(text) as { items: { actor: object; details: object; target: string }[] };
    const [made] = items.filter(({ target }) => target === "/v1/devices/made");
    assert.deepEqual([made?.actor, made?.details], [{ type: "user", id: "tester" }, { client: "tests" }]);
  }, WAIT);
});

test("the right token is let in", async () => {
  const granted = new Map<string, string>();
  for (const scope of SCOPES) granted.set(scope, await token("default", [scope]));
  for (const [route, one] of Object.entries(requests)) {
    const { status, text } = await ask(route, one, granted.get(String(scopeOf(route))));
    assert.ok(status >= 200 && status < 300, `${route}: ${status} ${text}`);
  }
});

test("HEAD asks for what GET asks for; OPTIONS and unknown paths tell nothing of a tenant", async () => {
  assert.equal((await fetch(`${http}/v1/devices`, { method: "HEAD" })).status, 401);
  assert.equal((await fetch(`${http}/v1/devices`, { method: "OPTIONS" })).status, 204);
  assert.equal((await fetch(`${http}/v1/nothing`)).status, 404);
  assert.equal((await fetch(`${http}/v1/devices`, { method: "PUT" })).status, 405);
});

test("who may not is refused before the body is parsed, or there at all", async () => {
  const init = { method: "POST", headers: { "content-type": "application/json" } };
  assert.equal((await fetch(`${http}/v1/devices`, { ...init, body: "{malformed" })).status, 401);
  const authorization = `Bearer ${await token("default", ["devices:read"])}`;
  const headers = { ...init.headers, authorization };
  assert.equal((await fetch(`${http}/v1/devices`, { ...init, headers, body: "{malformed" })).status, 403);
  const endless = httpRequest(`${http}/v1/devices`, init);
  endless.on("error", () => {});
  endless.write('{"id":');
  const status = await new Promise((resolve) => endless.once("response", (response) => resolve(response.statusCode)));
  assert.equal(status, 401);
  endless.destroy();
});

test("a query parameter or form field is no place for a token (RFC 9700 §4.3.2)", async () => {
  const all = await token("default", SCOPES);
  assert.equal((await fetch(`${http}/v1/devices?access_token=${all}`)).status, 401);
});

test("the loopback rule has ended: any Host, and a page of any site that has a token", async () => {
  const authorization = `Bearer ${await token("default", SCOPES)}`;
  const headers = { authorization, origin: "https://console.example", "content-type": "application/json" };
  const answer = await fetch(`${http}/v1/devices`, { method: "POST", headers, body: '{"id":"by-a-page"}' });
  assert.equal(answer.status, 201);
  assert.equal(answer.headers.get("access-control-allow-origin"), null, "its script may not read it");
  const foreign = await new Promise((resolve) => {
    const asking = httpRequest(`${http}/v1/devices`, { headers: { host: "api.example", authorization } });
    asking.once("response", (response) => resolve(response.resume().statusCode)).end();
  });
  assert.equal(foreign, 200);
});

test("DPoP over HTTP: a nonce of the new process, then a proof each; a replay and a downgrade are refused", async () => {
  const key = await proofKey();
  const bound = await issuer.token({ scope: "devices:read", cnf: { jkt: key.jkt } });
  const url = `${http}/v1/devices`;
  const target = { method: "GET", url, token: bound };
  const send = (dpop: string, authorization = `DPoP ${bound}`) => fetch(url, { headers: { authorization, dpop } });

  const nonceless = await send(await key.proof(target, { iat: Math.floor(Date.now() / 1000) - 3600 }));
  assert.equal(nonceless.status, 401);
  assert.match(String(nonceless.headers.get("www-authenticate")), /^DPoP error="use_dpop_nonce", algs="ES256 /);
  const nonce = nonceless.headers.get("dpop-nonce");
  assert.ok(nonce);
  assert.equal((await fetchBound(key, bound, `${url}?limit=1`)).status, 200);

  const proof = await key.proof(target, { nonce });
  assert.equal((await send(proof)).status, 200);
  const replayed = await send(proof);
  assert.equal(replayed.status, 401);
  assert.match(String(replayed.headers.get("www-authenticate")), /^DPoP error="invalid_dpop_proof", algs="/);
  assert.equal(((await replayed.json()) as { code: string }).code, "INVALID_DPOP_PROOF");

  const downgraded = await send(await key.proof(target, { nonce }), `Bearer ${bound}`);
  assert.equal(downgraded.status, 401);
  assert.match(String(downgraded.headers.get("www-authenticate")), /^Bearer error="invalid_token", DPoP algs="/);

  const race = await key.proof(target, { nonce });
  const all = await Promise.all(Array.from({ length: 10 }, () => send(race)));
  assert.equal(all.filter(({ status }) => status === 200).length, 1);
  assert.equal((await fetchBound(key, bound, url, { method: "HEAD" })).status, 200);
});

test("two DPoP fields are two proofs", async () => {
  const key = await proofKey();
  const bound = await issuer.token({ scope: "devices:read", cnf: { jkt: key.jkt } });
  const target = { method: "GET", url: `${http}/v1/devices`, token: bound };
  const dpop = [await key.proof(target), await key.proof(target)];
  const status = await new Promise((resolve) => {
    const asking = httpRequest(target.url, { headers: { authorization: `DPoP ${bound}`, dpop } });
    asking.once("response", (response) => resolve(response.resume().statusCode)).end();
  });
  assert.equal(status, 401);
});

test("a revocation that is broadcast ends a token that was in use", async (t) => {
  const one = await issuer.token({ scope: "devices:read", gid: "grant-1" });
  const authorization = `Bearer ${one}`;
  assert.equal((await fetch(`${http}/v1/devices`, { headers: { authorization } })).status, 200);
  await broker.broadcast("oauth.revoked", { gid: "grant-1", until: Date.now() / 1000 + 600 });
  await t.waitFor(
    async () => assert.equal((await fetch(`${http}/v1/devices`, { headers: { authorization } })).status, 401),
    { timeout: 1000, interval: 20 },
  );
});
