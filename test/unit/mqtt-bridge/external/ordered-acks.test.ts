import assert from "node:assert/strict";
import { test } from "node:test";
import { OrderedAcks } from "../../../../services/mqtt-bridge/edge/external/ordered-acks.ts";

function sending() {
  const sent: number[] = [];
  return { sent, acks: new OrderedAcks((id) => sent.push(id)) };
}

test("acknowledgements leave in the order of their messages, whatever is stored first", () => {
  const { sent, acks } = sending();
  const [first, second, third] = [7, 3, 9].map((id) => acks.open(id));
  third?.();
  second?.();
  assert.deepEqual(sent, []);
  first?.();
  assert.deepEqual(sent, [7, 3, 9]);
  acks.open(1)();
  assert.deepEqual(sent, [7, 3, 9, 1]);
});

test("many are forgotten as they leave, while one that is late holds what is behind it", () => {
  const { sent, acks } = sending();
  const ids = Array.from({ length: 5000 }, (_, n) => n + 1);
  const opened = ids.map((id) => acks.open(id));
  for (const stored of opened.slice(0, 3000)) stored();
  for (const stored of opened.slice(3001)) stored();
  assert.equal(sent.length, 3000);
  opened[3000]?.();
  assert.deepEqual(sent, ids);
});

test("on a connection that is gone nothing is acknowledged", () => {
  const { sent, acks } = sending();
  const stored = acks.open(1);
  acks.close();
  stored();
  assert.deepEqual(sent, []);
});
