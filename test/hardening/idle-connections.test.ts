import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { bytesOf, connectPacket, Target } from "./target.ts";

const CONNECTIONS = 5000;
const DEVICES = 50;
const AT_ONCE = 50;
const IDLE_MS = 5000;

/** Node raises its own limit to the hard one; so does the platform's process. */
function openFilesMax(): number {
  const limit = /Max open files\s+\S+\s+(\S+)/.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  return limit === "unlimited" ? Number.POSITIVE_INFINITY : Number(limit);
}

test(`${CONNECTIONS} idle connections take at most 150 MB, stay connected and harm nobody`, async (t) => {
  const files = openFilesMax();
  assert.ok(files >= CONNECTIONS + 500, `ulimit -Hn is ${files}; this test needs ${CONNECTIONS + 500}`);
  const env = { MQTT_CONNECTIONS_PER_DEVICE_MAX: String(CONNECTIONS / DEVICES) };
  const target = await Target.start(t, DEVICES, { env });
  const sockets: Socket[] = [];
  let closed = 0;
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  const open = async (n: number) => {
    const version = n % 2 === 0 ? 4 : 5;
    const socket = target.socket();
    sockets.push(socket);
    socket.once("close", () => closed++);
    socket.write(bytesOf(version, connectPacket(target.device(n), version, { clientId: `idle-${n}` })));
    const [connack] = (await once(socket, "data")) as [Buffer];
    assert.equal(connack[0], 0x20);
    assert.equal(connack[3], 0, `connection ${n}: CONNACK ${connack[3]}`);
  };
  await target.withstands(
    `${CONNECTIONS} idle connections`,
    async () => {
      let next = 0;
      const worker = async () => {
        for (let n = next++; n < CONNECTIONS; n = next++) await open(n);
      };
      const begun = performance.now();
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
      t.diagnostic(`${Math.round((CONNECTIONS / (performance.now() - begun)) * 1000)} connects per second`);
      await sleep(IDLE_MS);
    },
    { growthMbMax: 150 },
  );
  assert.equal(closed, 0);
  assert.equal(sockets.length, CONNECTIONS);
});
