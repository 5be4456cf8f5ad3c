import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Packet } from "mqtt-packet";
import { bytesOf, connectPacket, drainOf, Target } from "./target.ts";

const READERS = 40;
const SECONDS = 12;
const CHUNK_PACKETS = 500;
const flags = { topic: "devices/me/telemetry", dup: false, retain: false } as const;
const many = (packet: (n: number) => Packet) => Array.from({ length: CHUNK_PACKETS }, (_, n) => packet(n + 1));

/** What the clients send that take no answer; each packet wants one. */
const ASKING: [version: 4 | 5, packets: Packet[]][] = [
  [
    4,
    many((messageId) => ({
      cmd: "publish",
      ...flags,
      qos: 1,
      messageId,
      payload: `{"ts":1700000000,"values":{"n":1}}`,
    })),
  ],
  [
    5,
    many((messageId) => ({
      cmd: "publish",
      ...flags,
      qos: 1,
      messageId,
      payload: `{"ts":1700000000,"values":{"n":1}}`,
    })),
  ],
  [5, many((messageId) => ({ cmd: "publish", ...flags, topic: "not/mine", qos: 1, messageId, payload: "{}" }))],
  [4, many(() => ({ cmd: "pingreq" }))],
  [5, many(() => ({ cmd: "pingreq" }))],
  [5, many((messageId) => ({ cmd: "subscribe", messageId, subscriptions: [{ topic: "devices/me/config", qos: 1 }] }))],
  [4, many((messageId) => ({ cmd: "unsubscribe", messageId, unsubscriptions: ["devices/me/config"] }))],
  [4, many((messageId) => ({ cmd: "pubrel", messageId }))],
];

test(`${READERS} clients that ask and ask and read no answer take no memory and harm nobody`, async (t) => {
  const target = await Target.start(t, READERS);
  let [bytes, closed] = [0, 0];
  const sockets = Array.from({ length: READERS }, () => target.socket());
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  await target.withstands(
    `${READERS} slow readers`,
    async () => {
      const over = sleep(SECONDS * 1000);
      let stop = false;
      void over.then(() => {
        stop = true;
      });
      const slow = sockets.map(async (socket, index) => {
        const [version, packets] = ASKING[index % ASKING.length] as (typeof ASKING)[number];
        const device = target.device(index);
        socket.once("close", () => closed++);
        socket.pause();
        socket.write(bytesOf(version, connectPacket(device, version)));
        const chunk = bytesOf(version, ...packets);
        while (!stop && !socket.destroyed) {
          if (!socket.write(chunk)) await Promise.race([drainOf(socket), over]);
          await sleep(1);
        }
        bytes += socket.bytesWritten;
      });
      await Promise.all(slow);
    },
    { growthMbMax: 50 },
  );
  t.diagnostic(`${(bytes / 1e6).toFixed(0)} MB were sent, ${closed} connections closed by the platform`);
});
