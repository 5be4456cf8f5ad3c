import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import type { ServiceSchema } from "moleculer";
import type { Revocation } from "../../schemas/revocation.ts";
import { startBroker } from "../support/broker.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { proofKey, seconds, startIssuer, type TestIssuer } from "../support/token-issuer.ts";

const WAIT = { timeout: 60_000, interval: 100 };
/** What callers reach a gateway by, whichever it is. */
const ORIGIN = "https://api.example";
const PATH = "/v1/devices";
const GATEWAYS = ["gateway", "gateway-2"];
const PROCESSES = { gateway: "gateway,device-registry", "gateway-2": "gateway" };

const folder = mkdtempSync(join(tmpdir(), "ganglion-gateways-"));
after(() => rmSync(folder, { recursive: true, force: true }));

for (const shape of ["tcp", "nats"] as const)
  describe(`two gateways over ${shape}, the issuer in a process of its own`, { timeout: 600_000 }, () => {
    let cluster: Cluster;
    let issuer: TestIssuer;
    let own: Awaited<ReturnType<typeof startBroker>>;
    const revoked: Revocation[] = [];
    const oauth = {
      name: "oauth",
      actions: {
        jwks: () => issuer.jwks(),
        revocations: () => ({ items: revoked }),
      },
    } as unknown as ServiceSchema;
    const dataDir = join(folder, shape);

    before(async () => {
      issuer = await startIssuer();
      cluster = await startCluster({
        ...{ shape, dataDir, processes: PROCESSES, wholly: false, readyMs: 240_000 },
        env: {
          ...{ AUTH: "required", ISSUER: issuer.issuer, PUBLIC_ORIGINS: ORIGIN },
          ...{ HTTP_RATE_LIMIT: "100000", REVOCATIONS_REFRESH_SECONDS: "3600" },
        },
      });
    });
    after(async () => {
      await own?.stop();
      await cluster.stop();
      await issuer.close();
      assert.doesNotMatch(cluster.output(), /unhandled|UnhandledPromise/i);
    });

    const ask = (gateway: string, headers: Record<string, string>) =>
      fetch(`${cluster.processes.get(gateway)?.urls["http"]}${PATH}`, { headers });
    const statuses = async (headers: Record<string, string>) =>
      Promise.all(GATEWAYS.map(async (gateway) => (await ask(gateway, headers)).status));
    const bearer = async (claims: Record<string, unknown> = {}) => ({
      authorization: `Bearer ${await issuer.token({ scope: "devices:read", ...claims })}`,
    });
    const settled = (t: TestContext, headers: Record<string, string>, status: number) =>
      t.waitFor(async () => assert.deepEqual(await statuses(headers), [status, status]), WAIT);

    test("while the issuer has never been there a token is neither let in nor refused: 503", async () => {
      assert.deepEqual(await statuses(await bearer()), [503, 503]);
      assert.deepEqual(await statuses({}), [401, 401]);
    });

    test("once it is there, its keys and revocations are got from it, and both gateways let callers in", async (t) => {
      const headers = await bearer();
      const ended = await bearer({ jti: "ended-before" });
      revoked.push({ jti: "ended-before", until: seconds() + 3600 });
      own = await startBroker([oauth], { ...cluster.envOf("gateway"), NODE_ID: "issuer", SERVICES: "gateway" });
      await settled(t, headers, 200);
      await settled(t, ended, 401);
    });

    test("a proof is good once on both together: of ten at once one, in twenty rounds", async (t) => {
      const key = await proofKey();
      const token = await issuer.token({ scope: "devices:read", cnf: { jkt: key.jkt } });
      const target = { method: "GET", url: `${ORIGIN}${PATH}`, token };
      for (let round = 0; round < 20; round++) {
        const headers = { authorization: `DPoP ${token}`, dpop: await key.proof(target) };
        const all = await Promise.all(
          Array.from({ length: 10 }, async (_, index) => (await ask(String(GATEWAYS[index % 2]), headers)).status),
        );
        assert.deepEqual(all.sort(), [200, ...Array(9).fill(401)], `round ${round}`);
      }
      t.diagnostic("200 requests, 20 accepted");
    });

    test("a nonce of one gateway is good at the other", async () => {
      const key = await proofKey();
      const token = await issuer.token({ scope: "devices:read", cnf: { jkt: key.jkt } });
      const target = { method: "GET", url: `${ORIGIN}${PATH}`, token };
      const clockless = async (claims: object) => ({
        authorization: `DPoP ${token}`,
        dpop: await key.proof(target, { iat: 0, ...claims }),
      });
      const refused = await ask("gateway", await clockless({}));
      assert.equal(refused.status, 401);
      const nonce = refused.headers.get("dpop-nonce");
      assert.ok(nonce);
      assert.equal((await ask("gateway-2", await clockless({ nonce }))).status, 200);
    });

    test("a revocation is effective on both within a second", async (t) => {
      const gid = randomUUID();
      const headers = await bearer({ gid });
      assert.deepEqual(await statuses(headers), [200, 200]);
      const begun = performance.now();
      await own.broker.broadcast("oauth.revoked", { gid, until: seconds() + 600 });
      await t.waitFor(async () => assert.deepEqual(await statuses(headers), [401, 401]), {
        timeout: 1000,
        interval: 10,
      });
      t.diagnostic(`refused by both after ${Math.round(performance.now() - begun)} ms`);
    });

    test("a gateway that starts again refuses what was revoked while it was away", async (t) => {
      const headers = await bearer({ sub: "leaver" });
      assert.deepEqual(await statuses(headers), [200, 200]);
      await cluster.processes.get("gateway-2")?.kill();
      const revocation = { sub: "leaver", tenant: "default", until: seconds() + 600 };
      revoked.push(revocation);
      await own.broker.broadcast("oauth.revoked", revocation);
      await cluster.start("gateway-2");
      await settled(t, await bearer(), 200);
      assert.deepEqual(await statuses(headers), [401, 401]);
    });
  });
