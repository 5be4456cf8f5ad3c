import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { random } from "../../clients/device-simulator/random.ts";
import { restClient } from "../support/rest.ts";
import { mutated } from "./mutate.ts";
import { session } from "./sessions.ts";
import { closedOf, Target } from "./target.ts";

/** FUZZ_SEED repeats a run, FUZZ_SESSIONS makes it longer. */
const seed = Number(process.env["FUZZ_SEED"] ?? 1);
const sessions = Number(process.env["FUZZ_SESSIONS"] ?? 10_000);
const AT_ONCE = 32;
/** A session is over when nothing came for so long. */
const QUIET_MS = 15;
const ANSWER_MS = 1000;
/** After its end was sent, a connection that stays is one the platform forgot. */
const CLOSE_MS_MAX = 10_000;

const DEVICES = 20;

/** CONNACK 0: type, length, flags, code. */
const isLetIn = (data: Buffer) => data[0] === 0x20 && data[3] === 0;

/** Valid sessions before: what runs for the first time takes memory for good, and a heap finds its size under load. */
const WARM_UP = 3000;

/** Bytes of a session. */
interface SessionBytes {
  bytes: Buffer;
  /** The first write ends here. */
  splitAt: number;
  /** The rest is sent when the platform has let the client in: mutated is a packet behind the CONNECT. */
  patient: boolean;
}

/** Bytes of the n-th session: they depend on seed and n only. An AUTH refuses the packets after it: left out of most. */
function sessionBytes(n: number, target: Target, valid: boolean): SessionBytes {
  const next = random(Math.imul(seed, 0x9e3779b1) + n);
  const version = n % 2 === 0 ? 4 : 5;
  const packets = session(version, target.device(n), next);
  if (version === 5 && next() < 0.8) packets.splice(-2, 1);
  const patient = !valid && next() < 0.5;
  const first = patient ? 1 : 0;
  const victim = first + Math.floor(next() * (packets.length - first));
  if (!valid) packets[victim] = mutated(packets[victim] as Buffer, next);
  const bytes = Buffer.concat(packets);
  const anywhere = next() < 0.5 ? bytes.length : Math.floor(next() * bytes.length);
  return { bytes, splitAt: patient ? (packets[0] as Buffer).length : anywhere, patient };
}

/** What became of a session. */
interface Outcome {
  /** The platform closed the connection, once its end was sent. */
  closed: boolean;
  /** CONNACK 0. */
  letIn: boolean;
}

/** Sends it all, waits for the answers to end, hangs up. */
async function attack(target: Target, n: number, valid: boolean): Promise<Outcome> {
  const { bytes, splitAt, patient } = sessionBytes(n, target, valid);
  let letIn: boolean | undefined;
  const socket = target.socket();
  const closed = closedOf(socket);
  const rest = () => socket.write(bytes.subarray(splitAt));
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  let quiet = setTimeout(end, ANSWER_MS);
  socket.on("data", (data: Buffer) => {
    if (letIn === undefined && patient) rest();
    letIn ??= isLetIn(data);
    clearTimeout(quiet);
    quiet = setTimeout(end, QUIET_MS);
  });
  socket.write(bytes.subarray(0, splitAt));
  if (!patient && splitAt < bytes.length) setImmediate(rest);
  await Promise.race([over, closed]);
  clearTimeout(quiet);
  socket.end();
  const late = sleep(CLOSE_MS_MAX, false as const, { ref: false });
  const left = await Promise.race([closed, late]);
  socket.destroy();
  return { closed: left, letIn: letIn ?? false };
}

test(`${sessions} mutated sessions of MQTT 3.1.1 and 5 (FUZZ_SEED=${seed}) crash nothing, leak nothing and harm nobody`, async (t) => {
  const target = await Target.start(t, DEVICES);
  const run = async (count: number, valid: boolean) => {
    const stuck: number[] = [];
    let [next, letIn] = [0, 0];
    const worker = async () => {
      for (let n = next++; n < count; n = next++) {
        const outcome = await attack(target, n, valid);
        if (!outcome.closed) stuck.push(n);
        if (outcome.letIn) letIn++;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker)).catch((error: unknown) => {
      throw new Error(`at about session ${next}`, { cause: error });
    });
    assert.deepEqual(stuck, [], "sessions that the platform did not close");
    t.diagnostic(`of ${count} sessions ${letIn} were let in`);
    return letIn / count;
  };
  const idleMb = target.rssMb;
  // Otherwise nothing would be tested but the refusal. Clients share ids: some are taken over before their CONNACK.
  assert.ok((await run(WARM_UP, true)) > 0.6, "valid sessions are let in");
  const stored = (await restClient(target.platform.http).readings(target.device(0).id)).length;
  t.diagnostic(`${stored} readings of the first device are stored`);
  // A session has three. Some end before, because another takes its client id over.
  assert.ok(stored > WARM_UP / DEVICES, "what valid sessions publish is stored");
  t.diagnostic(
    `resident ${idleMb.toFixed(0)} MB at rest, ${target.rssMb.toFixed(0)} MB after ${WARM_UP} valid sessions`,
  );
  const mutatedOnes = async () => {
    assert.ok((await run(sessions, false)) > 0.3, "mutations are behind a CONNECT that was let in");
  };
  await target.withstands(`${sessions} mutated sessions`, mutatedOnes, { growthMbMax: 50 });
});
