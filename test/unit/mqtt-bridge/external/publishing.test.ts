import assert from "node:assert/strict";
import { test } from "node:test";
import type { IPublishPacket } from "mqtt-packet";
import { Publishing } from "../../../../services/mqtt-bridge/edge/external/publishing.ts";

const publication = (topic: string) => ({ topic, payload: Buffer.from("x"), retain: false });

function sending() {
  const sent: IPublishPacket[] = [];
  return { sent, publishing: new Publishing((packet) => sent.push(packet)) };
}

test("no more is under way than the broker takes, each with an id of its own; one is done when it is acknowledged", async () => {
  const { sent, publishing } = sending();
  const done = ["a", "b", "c"].map((topic) => publishing.publish(publication(topic)));
  assert.equal(sent.length, 0, "not before the broker has said how many");
  publishing.window = 2;
  assert.deepEqual(
    sent.map(({ topic }) => topic),
    ["a", "b"],
  );
  const [first, second] = sent.map(({ messageId }) => messageId as number);
  assert.notEqual(first, second);
  publishing.acknowledged(second as number, 0);
  assert.equal(sent.length, 3);
  publishing.acknowledged(first as number, 0x10);
  publishing.acknowledged(sent[2]?.messageId as number, 0);
  await Promise.all(done);
});

test("what the broker refuses, or leaves unanswered, has failed", async () => {
  const { sent, publishing } = sending();
  publishing.window = 1;
  const refused = publishing.publish(publication("a"));
  const unanswered = publishing.publish(publication("b"));
  const waiting = publishing.publish(publication("c"));
  publishing.acknowledged(sent[0]?.messageId as number, 0x87);
  await assert.rejects(refused, /0x87/);
  publishing.close(new Error("the connection was closed"));
  await assert.rejects(unanswered, /was closed/);
  await assert.rejects(waiting, /was closed/);
  await assert.rejects(publishing.publish(publication("d")), /was closed/);
});

test("ids are used again, and none that is in use", async () => {
  const { sent, publishing } = sending();
  publishing.window = 2;
  const held = publishing.publish(publication("held"));
  const id = sent[0]?.messageId as number;
  for (let n = 0; n < 65_600; n++) {
    const done = publishing.publish(publication("x"));
    const { messageId } = sent.at(-1) as IPublishPacket;
    assert.ok(messageId !== id && (messageId as number) > 1 && (messageId as number) <= 65_535);
    publishing.acknowledged(messageId as number, 0);
    await done;
    sent.length = 1;
  }
  publishing.acknowledged(id, 0);
  await held;
});
