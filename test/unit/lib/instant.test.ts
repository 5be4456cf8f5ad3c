import assert from "node:assert/strict";
import { test } from "node:test";
import { instantOf, microsOf } from "../../../lib/instant.ts";
import { randomOf } from "../../ports/reading-store/random.ts";

for (const [text, micros] of [
  ["1970-01-01T00:00:00Z", 0],
  ["1970-01-01T00:00:00.000001Z", 1],
  ["1969-12-31T23:59:59.999999Z", -1],
  ["1969-12-31T23:59:59.9999999Z", -1],
  ["2020-07-13T00:00:24.502334Z", 1_594_598_424_502_334],
  ["2020-07-13T00:00:24.5Z", 1_594_598_424_500_000],
  ["2020-07-13T05:30:24.502334+05:30", 1_594_598_424_502_334],
  ["2020-07-12T16:00:24.502334-08:00", 1_594_598_424_502_334],
  ["2020-07-13T00:00:24.502334999999-00:00", 1_594_598_424_502_334],
  ["2020-07-13t00:00:24.502334z", 1_594_598_424_502_334],
  ["2000-02-29T00:00:00Z", 951_782_400_000_000],
  ["2016-12-31T23:59:60Z", 1_483_228_800_000_000],
  ["2017-01-01T00:59:60+01:00", 1_483_228_800_000_000],
  ["2100-12-31T23:59:59.999999Z", 4_133_980_799_999_999],
] as const) {
  test(`${text} is ${micros} microseconds`, () => assert.equal(microsOf(text), micros));
}

for (const [text, why] of [
  ["2026-02-29T00:00:00Z", /does not exist/],
  ["2026-04-31T00:00:00Z", /does not exist/],
  ["2026-13-01T00:00:00Z", /does not exist/],
  ["2026-00-01T00:00:00Z", /does not exist/],
  ["2026-01-00T00:00:00Z", /does not exist/],
  ["2026-01-01T24:00:00Z", /does not exist/],
  ["2026-01-01T00:60:00Z", /does not exist/],
  ["2026-01-01T00:00:61Z", /does not exist/],
  ["2026-01-01T12:00:60Z", /does not exist/],
  ["2026-01-01T00:00:00+24:00", /offset/],
  ["2026-01-01T00:00:00+00:60", /offset/],
  ["2026-01-01T00:00:00", /RFC 3339/],
  ["2026-01-01 00:00:00Z", /RFC 3339/],
  ["2026-01-01T00:00Z", /RFC 3339/],
  ["2026-01-01T00:00:00.Z", /RFC 3339/],
  [" 2026-01-01T00:00:00Z", /RFC 3339/],
  ["2026-01-01T00:00:00Z\n", /RFC 3339/],
  ["٢٠٢٦-01-01T00:00:00Z", /RFC 3339/],
  ["", /RFC 3339/],
  ["0001-01-01T00:00:00Z", /between the years/],
  ["9999-12-31T23:59:59Z", /between the years/],
] as const) {
  test(`${JSON.stringify(text)} is no instant`, () =>
    assert.throws(() => microsOf(text), { name: "InstantError", message: why }));
}

test("three digits of a second are written, six where they are needed, nothing else", () => {
  assert.equal(instantOf(0), "1970-01-01T00:00:00.000Z");
  assert.equal(instantOf(1), "1970-01-01T00:00:00.000001Z");
  assert.equal(instantOf(-1), "1969-12-31T23:59:59.999999Z");
  assert.equal(instantOf(1000), "1970-01-01T00:00:00.001Z");
  assert.equal(instantOf(1_594_598_424_502_334), "2020-07-13T00:00:24.502334Z");
});

test("every instant comes back from its text, whatever offset the text has", () => {
  const random = randomOf(3339);
  for (let round = 0; round < 20_000; round++) {
    const micros = Math.floor((random() * 2 - 1) * Number.MAX_SAFE_INTEGER * (round % 2 ? 1 : 0.001));
    const text = instantOf(micros);
    assert.equal(microsOf(text), micros);
    const minutes = Math.floor(random() * 1440) * (random() < 0.5 ? -1 : 1);
    const two = (part: number) => String(Math.floor(Math.abs(part))).padStart(2, "0");
    const offset = `${minutes < 0 ? "-" : "+"}${two(Math.abs(minutes) / 60)}:${two(Math.abs(minutes) % 60)}`;
    const local = micros + minutes * 60_000_000;
    if (!Number.isSafeInteger(local)) continue;
    assert.equal(microsOf(instantOf(local).replace("Z", offset)), micros, `${text} with ${offset}`);
  }
});
