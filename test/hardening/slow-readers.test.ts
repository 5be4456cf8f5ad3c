import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Packet } from "mqtt-packet";
import { bytesOf, connectPacket, drainOf, Target } from "./target.ts";

const READERS = 16;
const SECONDS = 24;
/** More than the platform takes from clients that it has ended. */
const BYTES_MIN = 1_000_000;
const CHUNK_PACKETS = 20;
/** Between chunks: busy, but not so much that the work alone would delay others. */
const EVERY_MS = 20;
/** As much as fills the buffers of both kernels with answers, so that the platform has to wait, and gives up. */
const HASTY_MS = 1;

const telemetry = { cmd: "publish", topic: "devices/me/telemetry", qos: 1, dup: false, retain: false } as const;
const payload = '{"ts":1700000000,"values":{"n":1}}';
const config = "devices/me/config";

/** What the clients send that take no answer; each packet wants one. */
const ASKING: [version: 4 | 5, packet: (messageId: number) => Packet, everyMs?: number][] = [
  [4, (messageId) => ({ ...telemetry, messageId, payload })],
  [5, (messageId) => ({ ...telemetry, messageId, payload })],
  [5, (messageId) => ({ ...telemetry, topic: "not/mine", messageId, payload: "{}" }), HASTY_MS],
  [4, () => ({ cmd: "pingreq" })],
  [5, () => ({ cmd: "pingreq" })],
  [5, (messageId) => ({ cmd: "subscribe", messageId, subscriptions: [{ topic: config, qos: 1 }] })],
  [4, (messageId) => ({ cmd: "unsubscribe", messageId, unsubscriptions: [config] })],
  [4, (messageId) => ({ cmd: "pubrel", messageId })],
];

test(`${READERS} clients that ask and ask and read no answer take no memory and harm nobody`, async (t) => {
  // Without the limit that would end them at once.
  const target = await Target.start(t, READERS, { env: { MQTT_CONTROL_PACKETS_PER_SECOND_MAX: "0" } });
  // What as much work takes for good: caches, a heap of the size it has under load.
  await ask(target, t, { reads: true });
  await target.withstands(
    `${READERS} slow readers`,
    async () => {
      const { bytes, closed } = await ask(target, t, { reads: false });
      t.diagnostic(`${(bytes / 1e6).toFixed(0)} MB were sent, ${closed} connections closed by the platform`);
      assert.ok(bytes > BYTES_MIN, "there was load");
    },
    { growthMbMax: 50 },
  );
});

/** Sends for a while as much as is taken. Who does not read leaves its connection open, with what waits for it. */
async function ask(target: Target, t: TestContext, { reads }: { reads: boolean }) {
  let [bytes, closed, stop] = [0, 0, false];
  const over = sleep(SECONDS * 1000).then(() => {
    stop = true;
  });
  const client = async (index: number) => {
    const [version, packet, everyMs = EVERY_MS] = ASKING[index % ASKING.length] as (typeof ASKING)[number];
    const chunk = bytesOf(version, ...Array.from({ length: CHUNK_PACKETS }, (_, n) => packet(n + 1)));
    const socket = target.socket();
    t.after(() => socket.destroy());
    socket.write(bytesOf(version, connectPacket(target.device(index), version)));
    const [connack] = (await once(socket, "data")) as [Buffer];
    assert.deepEqual([connack[0], connack[3]], [0x20, 0], "CONNACK 0");
    socket.once("close", () => closed++);
    if (reads) socket.resume();
    else socket.pause();
    while (!stop && !socket.destroyed) {
      if (!socket.write(chunk)) await Promise.race([drainOf(socket), over]);
      await sleep(everyMs);
    }
    bytes += socket.bytesWritten - socket.writableLength;
    if (reads) socket.destroy();
  };
  await Promise.all(Array.from({ length: READERS }, (_, index) => client(index)));
  return { bytes, closed };
}
