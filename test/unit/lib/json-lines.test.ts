import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { type JsonLine, jsonLines } from "../../../lib/json-lines.ts";

const limits = { lineBytesMax: 20, linesMax: 4 };

async function read(...chunks: string[]): Promise<JsonLine[]> {
  return Array.fromAsync(jsonLines(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), limits));
}

test("lines are read whatever the chunks, with or without a last line feed, and empty ones are skipped", async () => {
  const expected = [
    { line: 1, value: { a: 1 } },
    { line: 3, value: "ü" },
  ];
  assert.deepEqual(await read('{"a":1}\n\n"ü"'), expected);
  assert.deepEqual(await read('{"a"', ":1}\r\n", "\n", '"ü"\n'), expected);
  const bytes = Buffer.from('{"a":1}\n\n"ü"\n');
  const single = Readable.from(Array.from(bytes, (byte) => Buffer.from([byte])));
  assert.deepEqual(await Array.fromAsync(jsonLines(single, limits)), expected);
  assert.deepEqual(await read(""), []);
});

test("a line that is no JSON is an error of that line, and the next ones are read", async () => {
  assert.deepEqual(await read("{a}\n1\n"), [
    { line: 1, error: "must be JSON" },
    { line: 2, value: 1 },
  ]);
});

for (const [what, text, line] of [
  ["too long", `1\n"${"x".repeat(30)}"\n`, 2],
  ["too long without an end", `1\n"${"x".repeat(30)}`, 2],
  ["one too many", "1\n2\n3\n4\n5\n", 5],
  ["one too many and empty", "1\n\n\n\n\n\n", 5],
] as const)
  test(`a line that is ${what} ends it with 413, naming the line`, async () => {
    await assert.rejects(read(text), (error: { code: number; data: { field: string }[] }) => {
      assert.deepEqual([error.code, error.data[0]?.field], [413, `line ${line}`]);
      return true;
    });
  });
