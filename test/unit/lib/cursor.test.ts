import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { cursorOf, placeOf } from "../../../lib/cursor.ts";

const query = ["devices", "default", { order: "asc" }];
const refused = { code: 400, type: "CURSOR_REFUSED", data: [{ field: "cursor", message: /./ }] };
const isRefused = (error: { code: number; type: string; data: { field: string }[] }) => {
  assert.deepEqual([error.code, error.type, error.data[0]?.field], [refused.code, refused.type, "cursor"]);
  return true;
};

for (const place of ["boiler-7", "", "Größe 😀 \0", 0, -1.5, 1_594_598_424_502_334, [1, 2], ["a", 3]]) {
  test(`the place ${JSON.stringify(place)} comes back`, () => {
    const cursor = cursorOf(place, query);
    assert.match(cursor, /^[A-Za-z0-9_-]+$/);
    assert.deepEqual(placeOf(cursor, query), place);
  });
}

test("a place of two 53-bit integers stays within the 512 characters of a cursor", () => {
  assert.ok(cursorOf([Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER], query).length <= 512);
});

for (const [what, other] of [
  ["another list", ["users", "default", { order: "asc" }]],
  ["another tenant", ["devices", "acme", { order: "asc" }]],
  ["another order", ["devices", "default", { order: "desc" }]],
] as const) {
  test(`a cursor of ${what} is refused, naming cursor`, () => {
    assert.throws(() => placeOf(cursorOf("a", other), query), isRefused);
  });
}

const [digest] = JSON.parse(Buffer.from(cursorOf("a", query), "base64url").toString()) as [string];
const forged = (parts: unknown) => Buffer.from(JSON.stringify(parts)).toString("base64url");
for (const [what, cursor] of [
  ["no base64url", "%%%"],
  ["no JSON", Buffer.from("{").toString("base64url")],
  ["no pair", forged([digest])],
  ["an object as place", forged([digest, { $gt: "" }])],
  ["an object in the place", forged([digest, ["a", { $gt: "" }]])],
  ["null as place", forged([digest, null])],
  ["a long place", forged([digest, Array.from({ length: 9 }, () => 1)])],
] as const) {
  test(`a cursor that holds ${what} is refused`, () => assert.throws(() => placeOf(cursor, query), isRefused));
}

test("a place of another shape than the list's is refused", () => {
  assert.throws(() => placeOf(forged([digest, 1.5]), query, z.int()), isRefused);
  assert.equal(placeOf(forged([digest, 2]), query, z.int()), 2);
});
