import assert from "node:assert/strict";
import { test } from "node:test";
import { acceptedType } from "../../../services/gateway/accept.ts";

const streams = ["text/csv", "application/x-ndjson"] as const;

for (const [accept, expected] of [
  [undefined, undefined],
  ["*/*", undefined],
  ["application/json", undefined],
  ["application/*", undefined],
  ["text/csv", "text/csv"],
  ["text/*;q=0.5, application/x-ndjson", "application/x-ndjson"],
  ["TEXT/CSV; charset=utf-8", "text/csv"],
  ["application/json;q=0.1, text/csv;q=0.2", "text/csv"],
  ["text/html, application/xhtml+xml, */*;q=0.8", undefined],
] as const)
  test(`Accept: ${accept} is answered with ${expected ?? "JSON"}`, () => {
    assert.equal(acceptedType(accept, streams), expected);
  });

test("a caller that wants none of the offered types is told which there are", () => {
  for (const accept of ["text/html", "text/csv;q=0", "application/xml, image/*"])
    assert.throws(() => acceptedType(accept, streams), { code: 406, type: "NOT_ACCEPTABLE", message: /text\/csv/ });
});
