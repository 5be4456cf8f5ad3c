import assert from "node:assert/strict";
import { test } from "node:test";
import { closedOf, Target } from "./target.ts";

/** As many clients, one after the other, that connect and leave. */
async function visits(target: Target, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const socket = target.socket();
    socket.once("connect", () => socket.end());
    socket.resume();
    await closedOf(socket);
  }
}

const broken = (name: string) => ({ nodeOptions: [`--import=${new URL(`./controls/${name}.ts`, import.meta.url)}`] });

test("control: a build that keeps 16 KiB of every connection is found out", async (t) => {
  const target = await Target.start(t, 0, broken("keep-connections"));
  const attack = () => visits(target, 5000);
  await assert.rejects(target.withstands("visits", attack, { growthMbMax: 50 }), /resident memory grew by \d+ MB/);
});

test("control: a build in which a connection makes everybody wait is found out", async (t) => {
  const target = await Target.start(t, 0, broken("standstill"));
  const attack = () => visits(target, 100);
  await assert.rejects(target.withstands("visits", attack, { growthMbMax: 50 }), /p99 [\d.]+ ms/);
});
