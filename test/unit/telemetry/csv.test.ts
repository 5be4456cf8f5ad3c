import assert from "node:assert/strict";
import { test } from "node:test";
import { csvHeader, csvLine } from "../../../services/telemetry/csv.ts";

test("text is quoted, quotes in it are doubled (RFC 4180 section 2.7), and numbers and booleans are bare", () => {
  assert.equal(csvLine([1.5, true, "1", 'say "hi"']), '1.5,true,"1","say ""hi"""\r\n');
});

test("commas and line breaks stay inside of quotes", () => {
  assert.equal(csvLine(["a,b", "c\r\nd", "e\nf"]), '"a,b","c\r\nd","e\nf"\r\n');
});

test("nothing is an empty field, an empty text is quoted", () =>
  assert.equal(csvLine([undefined, "", undefined]), ',"",\r\n'));

test("text that a spreadsheet takes for a formula is given as it is", () =>
  assert.equal(csvLine(["=1+1", "@x", -1]), '"=1+1","@x",-1\r\n'));

test("names in the header are quoted where they must be", () =>
  assert.equal(csvHeader(["ts", "a b", 'c"d', "e,f"]), 'ts,a b,"c""d","e,f"\r\n'));
