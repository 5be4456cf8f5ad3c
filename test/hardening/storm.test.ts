import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Packet } from "mqtt-packet";
import { bytesOf, connectPacket, Target } from "./target.ts";

const CLIENTS = 16;
const SECONDS = 10;
const CHUNK_PACKETS = 50;
const config = "devices/me/config";

/** What costs the platform more than the client, and what the client does not wait for. */
const ASKING: readonly ((messageId: number) => Packet)[] = [
  (messageId) => ({ cmd: "subscribe", messageId, subscriptions: [{ topic: config, qos: 1 }] }),
  (messageId) => ({ cmd: "unsubscribe", messageId, unsubscriptions: [config] }),
  () => ({ cmd: "pingreq" }),
  (messageId) => ({
    ...{ cmd: "publish", topic: "not/mine", qos: 1, dup: false, retain: false, messageId, payload: "{}" },
  }),
];

test(`${CLIENTS} clients that ask as fast as they can, and come back at once when they are ended, harm nobody`, async (t) => {
  const target = await Target.start(t, CLIENTS);
  let [connections, letIn, over] = [0, 0, false];
  const client = async (index: number) => {
    const ask = ASKING[index % ASKING.length] as (typeof ASKING)[number];
    const chunk = bytesOf(5, ...Array.from({ length: CHUNK_PACKETS }, (_, n) => ask(n + 1)));
    while (!over) {
      const socket = target.socket();
      socket.write(bytesOf(5, connectPacket(target.device(index), 5)));
      const [connack] = ((await Promise.race([once(socket, "data"), once(socket, "close"), sleep(5000)])) ?? []) as [
        unknown,
      ];
      if (Buffer.isBuffer(connack) && connack[0] === 0x20 && connack[3] === 0) letIn++;
      socket.resume();
      connections++;
      while (!over && !socket.destroyed) {
        socket.write(chunk);
        await sleep(1);
      }
      socket.destroy();
      await sleep(10);
    }
  };
  const storm = async () => {
    [connections, letIn, over] = [0, 0, false];
    const all = Promise.all(Array.from({ length: CLIENTS }, (_, index) => client(index)));
    await sleep(SECONDS * 1000);
    over = true;
    await all;
    t.diagnostic(`${connections} connections, ${letIn} of them let in`);
    assert.ok(letIn >= CLIENTS, "they were let in");
  };
  // What as much work takes for good: caches, a heap of the size it has under load.
  await storm();
  await target.withstands(`a storm of ${CLIENTS} clients`, storm, { growthMbMax: 50 });
});
