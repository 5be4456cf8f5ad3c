import assert from "node:assert/strict";
import { test } from "node:test";
import { durationMicros } from "../../../services/telemetry/duration.ts";

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
  ["P1D", 86_400],
  ["P1DT12H", 129_600],
  ["P2W", 1_209_600],
  ["P1W1DT1H1M1S", 694_861],
  ["P36525D", 3_155_760_000],
] as const) {
  test(`${text} is ${seconds} seconds`, () => assert.equal(durationMicros(text), Math.round(seconds * SECOND)));
}

for (const [text, why] of [
  ["P1M", /years or months/],
  ["P1Y", /years or months/],
  ["P1Y2M3DT4H", /years or months/],
  ["PT0S", /PT1S at least/],
  ["PT0.5S", /PT1S at least/],
  ["PT0.999999S", /PT1S at least/],
  ["P36526D", /P36525D at most/],
  ["P99999999999999999999D", /P36525D at most/],
  ["P", /ISO 8601/],
  ["PT", /ISO 8601/],
  ["P1DT", /ISO 8601/],
  ["1H", /ISO 8601/],
  ["PT1H30", /ISO 8601/],
  ["PT1S1H", /ISO 8601/],
  ["P1H", /ISO 8601/],
  ["PT-1S", /ISO 8601/],
  ["-PT1S", /ISO 8601/],
  ["PT1.5H", /ISO 8601/],
  ["PT1.0000001S", /ISO 8601/],
  ["pt1h", /ISO 8601/],
  ["PT1H\n", /ISO 8601/],
  ["3600", /ISO 8601/],
  ["", /ISO 8601/],
] as const) {
  test(`${JSON.stringify(text)} is refused`, () =>
    assert.throws(() => durationMicros(text), { name: "DurationError", message: why }));
}
