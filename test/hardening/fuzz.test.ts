import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { random } from "../../clients/device-simulator/random.ts";
import { mutated } from "./mutate.ts";
import { session } from "./sessions.ts";
import { Target } from "./target.ts";

/** FUZZ_SEED repeats a run, FUZZ_SESSIONS makes it longer. */
const seed = Number(process.env["FUZZ_SEED"] ?? 1);
const sessions = Number(process.env["FUZZ_SESSIONS"] ?? 10_000);
const AT_ONCE = 32;
/** A session is over when nothing came for so long. */
const QUIET_MS = 15;
const ANSWER_MS = 300;
/** After its end was sent, a connection that stays is one the platform forgot. */
const CLOSE_MS_MAX = 10_000;

/** Bytes of the n-th session: they depend on seed and n only. An AUTH refuses the packets after it: left out of most. */
function sessionBytes(n: number, target: Target): { bytes: Buffer; splitAt: number } {
  const next = random(Math.imul(seed, 0x9e3779b1) + n);
  const version = n % 2 === 0 ? 4 : 5;
  const packets = session(version, target.device(n), next);
  if (version === 5 && next() < 0.8) packets.splice(-2, 1);
  const victim = Math.floor(next() * packets.length);
  packets[victim] = mutated(packets[victim] as Buffer, next);
  const bytes = Buffer.concat(packets);
  return { bytes, splitAt: next() < 0.5 ? bytes.length : Math.floor(next() * bytes.length) };
}

/** Sends it all, waits for the answers to end, hangs up. Resolves to whether the platform closed the connection. */
async function attack(target: Target, n: number): Promise<boolean> {
  const { bytes, splitAt } = sessionBytes(n, target);
  const socket = target.socket();
  const closed = new Promise<true>((resolve) => socket.once("close", () => resolve(true)));
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
  const run = async (from: number, to: number) => {
    const stuck: number[] = [];
    let next = from;
    const worker = async () => {
      for (let n = next++; n < to; n = next++) if (!(await attack(target, n))) stuck.push(n);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker)).catch((error: unknown) => {
      throw new Error(`at about session ${next}`, { cause: error });
    });
    assert.deepEqual(stuck, [], "sessions that the platform did not close");
  };
  // What runs for the first time takes memory for good: code, caches, a heap of its usual size.
  await run(sessions, sessions + 1000);
  await target.withstands(`${sessions} mutated sessions`, () => run(0, sessions), { growthMbMax: 50 });
});
