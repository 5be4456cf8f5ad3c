import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { bytesOf, closedOf, connectPacket, drainOf, Target } from "./target.ts";

const PACKET_BYTES = 20 * 1024 * 1024;
const CHUNK = Buffer.alloc(65_536, "x");
const TIMES = 5;
const CLOSE_MS_MAX = 15_000;
/** Variable byte integer (MQTT 5.0 section 1.5.5) of the bytes behind the fixed header. */
const LENGTH = Buffer.of(0x80, 0x80, 0x80, 0x0a);
assert.equal(PACKET_BYTES, 0x0a * 128 ** 3);

const CASES: [what: string, version: 4 | 5, connects: boolean, begin: Buffer][] = [
  ["a CONNECT", 5, false, Buffer.concat([Buffer.of(0x10), LENGTH])],
  ["a PUBLISH before CONNECT", 4, false, Buffer.concat([Buffer.of(0x32), LENGTH])],
  ["a PUBLISH of MQTT 3.1.1", 4, true, Buffer.concat([Buffer.of(0x32), LENGTH])],
  ["a PUBLISH of MQTT 5", 5, true, Buffer.concat([Buffer.of(0x32), LENGTH])],
  ["a SUBSCRIBE of MQTT 5", 5, true, Buffer.concat([Buffer.of(0x82), LENGTH])],
];

/** Sends as much of the packet as is taken; resolves when the connection is closed, to how much was taken. */
async function send(socket: Socket, begin: Buffer): Promise<{ taken: number; closed: boolean }> {
  const closed = closedOf(socket);
  socket.resume();
  socket.write(begin);
  for (let sent = 0; sent < PACKET_BYTES && !socket.destroyed && socket.writable; sent += CHUNK.length)
    if (!socket.write(CHUNK)) await drainOf(socket);
  const left = await Promise.race([closed, sleep(CLOSE_MS_MAX, false as const, { ref: false })]);
  return { taken: socket.bytesWritten, closed: left };
}

test(`packets of 20 MB end their connections, take no memory and harm nobody`, async (t) => {
  const target = await Target.start(t, 4);
  let peakMb = 0;
  const watch = setInterval(() => {
    peakMb = Math.max(peakMb, target.rssMb);
  }, 20);
  const before = target.rssMb;
  await target.withstands(
    `${CASES.length * TIMES} packets of 20 MB`,
    async () => {
      for (let time = 0; time < TIMES; time++)
        await Promise.all(
          CASES.map(async ([what, version, connects, begin], index) => {
            const socket = target.socket();
            if (connects) {
              socket.write(bytesOf(version, connectPacket(target.device(index), version)));
              await once(socket, "data");
            }
            const { closed } = await send(socket, begin);
            assert.ok(closed, `${what}: the connection is still open`);
          }),
        );
    },
    { growthMbMax: 50 },
  );
  clearInterval(watch);
  t.diagnostic(`resident at most ${(peakMb - before).toFixed(0)} MB above rest meanwhile`);
  // The packets of one round alone are 100 MB.
  assert.ok(peakMb - before <= 100, `${peakMb - before} MB above rest`);
});
