import { spawn } from "node:child_process";
import { createPublicKey, generateKeyPairSync, type KeyObject, randomUUID, sign, verify } from "node:crypto";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { digest } from "../lib/tokens/digest.ts";
import { startPlatform } from "../test/support/platform.ts";
import { startIssuer } from "../test/support/token-issuer.ts";
import { load } from "./http-load.ts";
import { median, rounded } from "./median.ts";
import { cpuMicros } from "./process-figures.ts";
import type { Bench } from "./run.ts";

const ORIGIN = "https://api.example";
const CONNECTIONS = 16;
/** Callers with a key and a token of their own. */
const CALLERS = 100;
/** Proofs before it need a nonce of the process that has just started. */
const SETTLED_MS = 6500;

interface Caller {
  token: string;
  ath: string;
  jwk: object;
  privateKey: KeyObject;
}

/**
 * CPU of the gateway's process for one request. An open action next to Fastify with the same answer, request id, metrics
 * and log line (`openVsFastify`); and what a DPoP-bound token adds to that action, in signature checks of P-256 that are
 * measured in the same run (`dpopExtraVsVerify`). Each proof is new, each token is used often.
 */
const gateway: Bench = async ({ short }) => {
  const requests = short ? 1500 : 20_000;
  const rounds = short ? 1 : 5;
  const issuer = await startIssuer();
  const callers = await Promise.all(
    Array.from({ length: CALLERS }, () => newCaller((cnf) => issuer.token({ scope: "bench:read", ...cnf }))),
  );
  const bearer = await issuer.token({ scope: "bench:read" });
  const platform = await startPlatform({
    env: {
      ...{ AUTH: "required", ISSUER: issuer.issuer, JWKS_URL: issuer.jwksUrl, PUBLIC_ORIGINS: ORIGIN },
      ...{ HTTP_RATE_LIMIT: "1000000", LOG_FORMAT: "json" },
    },
    nodeOptions: [`--import=${new URL("./open-routes.ts", import.meta.url).href}`],
    readyMs: 120_000,
  });
  const fastify = await startFastify();
  const runs: Record<string, number[]> = { open: [], fastify: [], bearer: [], dpop: [], verify: [] };
  const note = (name: string, micros: number) => runs[name]?.push(micros);
  try {
    const cpuOf = async (pid: number, url: string, headersOf?: (index: number) => Record<string, string>) => {
      const before = cpuMicros(pid);
      await load(url, { requests, connections: CONNECTIONS }, headersOf);
      return (cpuMicros(pid) - before) / requests;
    };
    const open = () => cpuOf(platform.pid, `${platform.http}/v1/open`);
    const other = () => cpuOf(fastify.pid, `${fastify.http}/v1/open`);
    const scoped = `${platform.http}/v1/scoped`;
    const byBearer = () => cpuOf(platform.pid, scoped, () => ({ authorization: `Bearer ${bearer}` }));
    const byProof = () => {
      const headers = Array.from({ length: requests }, (_, index) => proofHeaders(callers[index % CALLERS] as Caller));
      return cpuOf(platform.pid, scoped, (index) => headers[index] as Record<string, string>);
    };
    await sleep(SETTLED_MS);
    // Warm: code is compiled, tokens and keys are known.
    for (const one of [open, other, byBearer, byProof]) await one();
    for (let round = 1; round <= rounds; round++) {
      note("open", await open());
      note("fastify", await other());
      note("bearer", await byBearer());
      note("dpop", await byProof());
      note("verify", verifyMicros(short ? 2000 : 20_000));
      const last = Object.entries(runs).map(([name, all]) => `${name} ${rounded(all.at(-1) as number)}`);
      console.log(`run ${round}, us of CPU: ${last.join(", ")}`);
    }
  } finally {
    await Promise.all([platform.stop(), fastify.stop(), issuer.close()]);
  }
  const micros = (name: string) => median(runs[name] as number[]);
  return {
    openVsFastify: rounded(micros("open") / micros("fastify"), 2),
    dpopExtraVsVerify: rounded((micros("dpop") - micros("open")) / micros("verify"), 2),
    bearerExtraVsVerify: rounded((micros("bearer") - micros("open")) / micros("verify"), 2),
    cpuMicros: Object.fromEntries(Object.keys(runs).map((name) => [name, rounded(micros(name))])),
    ...{ requests, runs: rounds },
  };
};
export default gateway;

async function newCaller(issue: (claims: object) => Promise<string>): Promise<Caller> {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { kty, crv, x, y } = publicKey.export({ format: "jwk" });
  const jwk = { kty, crv, x, y };
  const token = await issue({ cnf: { jkt: digest(JSON.stringify({ crv, kty, x, y })) } });
  return { token, ath: digest(token), jwk, privateKey };
}

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

function proofHeaders({ token, ath, jwk, privateKey }: Caller): Record<string, string> {
  const iat = Math.floor(Date.now() / 1000);
  const claims = { jti: randomUUID(), htm: "GET", htu: `${ORIGIN}/v1/scoped`, iat, ath };
  const signed = `${part({ typ: "dpop+jwt", alg: "ES256", jwk })}.${part(claims)}`;
  const signature = sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" });
  return { authorization: `DPoP ${token}`, dpop: `${signed}.${signature.toString("base64url")}` };
}

/** CPU of one signature check of the size of a proof. */
function verifyMicros(times: number): number {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = { key: createPublicKey(privateKey), dsaEncoding: "ieee-p1363" } as const;
  const data = Buffer.alloc(420, "x");
  const signature = sign("sha256", data, { key: privateKey, dsaEncoding: "ieee-p1363" });
  const check = () => {
    if (!verify("sha256", data, key, signature)) throw new Error("a good signature is refused");
  };
  for (let index = 0; index < 200; index++) check();
  const begun = process.cpuUsage();
  for (let index = 0; index < times; index++) check();
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / times;
}

async function startFastify() {
  const script = fileURLToPath(new URL("./fastify-server.ts", import.meta.url));
  const child = spawn(process.execPath, ["--max-semi-space-size=16", script], { stdio: ["ignore", "pipe", "pipe"] });
  // As the platform's log is read too.
  child.stderr.resume();
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith("ready ")) continue;
    return {
      http: line.slice("ready ".length),
      pid: child.pid as number,
      async stop() {
        child.kill("SIGTERM");
        await ended;
      },
    };
  }
  throw new Error("Fastify ended before it was ready");
}
