import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { random } from "../../clients/device-simulator/random.ts";
import { mutated } from "./mutate.ts";
import { session } from "./sessions.ts";
import { closedOf, Target } from "./target.ts";

/** FUZZ_SEED repeats a run, FUZZ_SESSIONS makes it longer. */
const seed = Number(process.env["FUZZ_SEED"] ?? 1);
const sessions = Number(process.env["FUZZ_SESSIONS"] ?? 10_000);
const AT_ONCE = 32;
/** A session is over when nothing came for so long. */
const QUIET_MS = 15;
const ANSWER_MS = 300;
/** After its end was sent, a connection that stays is one the platform forgot. */
const CLOSE_MS_MAX = 10_000;

/** Valid sessions before: what runs for the first time takes memory for good, and a heap finds its size under load. */
const WARM_UP = 3000;

/** Bytes of the n-th session: they depend on seed and n only. An AUTH refuses the packets after it: left out of most. */
function sessionBytes(n: number, target: Target, valid: boolean): { bytes: Buffer; splitAt: number } {
  const next = random(Math.imul(seed, 0x9e3779b1) + n);
  const version = n % 2 === 0 ? 4 : 5;
  const packets = session(version, target.device(n), next);
  if (version === 5 && next() < 0.8) packets.splice(-2, 1);
  const victim = Math.floor(next() * packets.length);
  if (!valid) packets[victim] = mutated(packets[victim] as Buffer, next);
  const bytes = Buffer.concat(packets);
  return { bytes, splitAt: next() < 0.5 ? bytes.length : Math.floor(next() * bytes.length) };
}

/** Sends it all, waits for the answers to end, hangs up. Resolves to whether the platform closed the connection. */
async function attack(target: Target, n: number, valid: boolean): Promise<boolean> {
  const { bytes, splitAt } = sessionBytes(n, target, valid);
  const socket = target.socket();
  const closed = closedOf(socket);
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  let quiet = setTimeout(end, ANSWER_MS);
  socket.on("data", () => {
    clearTimeout(quiet);
    quiet = setTimeout(end, QUIET_MS);
  });
  socket.write(bytes.subarray(0, splitAt));
  if (splitAt < bytes.length) setImmediate(() => socket.write(bytes.subarray(splitAt)));
  await Promise.race([over, closed]);
  clearTimeout(quiet);
  socket.end();
  const late = sleep(CLOSE_MS_MAX, false as const, { ref: false });
  const left = await Promise.race([closed, late]);
  socket.destroy();
  return left;
}

test(`${sessions} mutated sessions of MQTT 3.1.1 and 5 (FUZZ_SEED=${seed}) crash nothing, leak nothing and harm nobody`, async (t) => {
  const target = await Target.start(t, 20);
  const run = async (count: number, valid: boolean) => {
    const stuck: number[] = [];
    let next = 0;
    const worker = async () => {
      for (let n = next++; n < count; n = next++) if (!(await attack(target, n, valid))) stuck.push(n);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker)).catch((error: unknown) => {
      throw new Error(`at about session ${next}`, { cause: error });
    });
    assert.deepEqual(stuck, [], "sessions that the platform did not close");
  };
  const idleMb = target.rssMb;
  await run(WARM_UP, true);
  t.diagnostic(
    `resident ${idleMb.toFixed(0)} MB at rest, ${target.rssMb.toFixed(0)} MB after ${WARM_UP} valid sessions`,
  );
  await target.withstands(`${sessions} mutated sessions`, () => run(sessions, false), { growthMbMax: 50 });
});
