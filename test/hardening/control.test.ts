import assert from "node:assert/strict";
import { test } from "node:test";
import { closedOf, Target } from "./target.ts";

const CONNECTIONS = 5000;

test("control: a build that keeps 16 KiB of every connection is found out", async (t) => {
  const control = new URL("./controls/keep-connections.ts", import.meta.url).href;
  const target = await Target.start(t, 0, { nodeOptions: [`--import=${control}`] });
  const visits = async () => {
    for (let n = 0; n < CONNECTIONS; n++) {
      const socket = target.socket();
      socket.once("connect", () => socket.end());
      socket.resume();
      await closedOf(socket);
    }
  };
  await assert.rejects(target.withstands("visits", visits, { growthMbMax: 50 }), /resident memory grew by \d+ MB/);
});
