import assert from "node:assert/strict";
import { test } from "node:test";
import { intervalOf } from "../../../services/telemetry/duration.ts";

const SECOND = 1_000_000;
for (const [text, seconds] of [
  ["PT1S", 1],
  ["PT1.5S", 1.5],
  ["PT1,5S", 1.5],
  ["PT1.000001S", 1.000001],
  ["PT0M1S", 1],
  ["PT90M", 5400],
  ["PT15M", 900],
  ["PT1H", 3600],
  ["PT24H", 86_400],
  ["P1DT12H", 129_600],
  ["P1W1DT1H1M1S", 694_861],
] as const) {
  test(`${text} is ${seconds} seconds`, () =>
    assert.deepEqual(intervalOf(text), { micros: Math.round(seconds * SECOND) }));
}

for (const [text, interval] of [
  ["P1D", { days: 1, beginOn: "epoch" }],
  ["P7D", { days: 7, beginOn: "epoch" }],
  ["P1DT0S", { days: 1, beginOn: "epoch" }],
  ["P36525D", { days: 36_525, beginOn: "epoch" }],
  ["P1W", { days: 7, beginOn: "monday" }],
  ["P2W", { days: 14, beginOn: "monday" }],
  ["P1W1D", { days: 8, beginOn: "epoch" }],
  ["P1M", { months: 1 }],
  ["P3M", { months: 3 }],
  ["P1Y", { months: 12 }],
  ["P1Y6M", { months: 18 }],
  ["P100Y", { months: 1200 }],
] as const) {
  test(`${text} is ${JSON.stringify(interval)}`, () => assert.deepEqual(intervalOf(text), interval));
}

for (const [text, why] of [
  ["P1M1D", /must not mix/],
  ["P1Y1W", /must not mix/],
  ["P1MT1H", /must not mix/],
  ["P1Y2M3DT4H", /must not mix/],
  ["P101Y", /P100Y at most/],
  ["P1201M", /P100Y at most/],
  ["P0M", /PT1S at least/],
  ["P0D", /PT1S at least/],
  ["PT0S", /PT1S at least/],
  ["PT0.5S", /PT1S at least/],
  ["PT0.999999S", /PT1S at least/],
  ["P36526D", /P36525D at most/],
  ["P36525DT1S", /P36525D at most/],
  ["P99999999999999999999D", /P36525D at most/],
  ["P", /ISO 8601/],
  ["PT", /ISO 8601/],
  ["P1DT", /ISO 8601/],
  ["1H", /ISO 8601/],
  ["PT1H30", /ISO 8601/],
  ["PT1S1H", /ISO 8601/],
  ["P1M1Y", /ISO 8601/],
  ["P1H", /ISO 8601/],
  ["PT-1S", /ISO 8601/],
  ["-PT1S", /ISO 8601/],
  ["PT1.5H", /ISO 8601/],
  ["P1.5M", /ISO 8601/],
  ["PT1.0000001S", /ISO 8601/],
  ["pt1h", /ISO 8601/],
  ["PT1H\n", /ISO 8601/],
  ["3600", /ISO 8601/],
  ["", /ISO 8601/],
] as const) {
  test(`${JSON.stringify(text)} is refused`, () =>
    assert.throws(() => intervalOf(text), { name: "DurationError", message: why }));
}
