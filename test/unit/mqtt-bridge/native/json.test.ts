import assert from "node:assert/strict";
import { test } from "node:test";
import { items, rejection, valuesOf } from "../payload.ts";

const TS = 1594598400000;

test("an object of metrics is a reading without a time of its own", () => {
  const values = { temperature: 21.5, on: true, state: "idle", "µ °C": -0.5, "": undefined };
  assert.deepEqual(items(values), [
    { ts: undefined, sinceArrival: 0, id: undefined, values: JSON.parse(JSON.stringify(values)) },
  ]);
});

test("ts and values are a reading with its own time, and perhaps its own id", () => {
  const expected = { ts: TS * 1000, sinceArrival: 0, values: { t: 1 } };
  assert.deepEqual(items({ ts: TS, values: { t: 1 } }), [{ ...expected, id: undefined }]);
  assert.deepEqual(items({ ts: TS, values: { t: 1 }, id: "a-1" }), [{ ...expected, id: "a-1" }]);
  assert.deepEqual(items({ ts: TS, values: { t: 1 }, id: 0 }), [{ ...expected, id: 0 }]);
});

test("an array keeps its items in their order, of both forms", () => {
  const decoded = items([{ t: 1 }, { ts: TS, values: { t: 2 } }, { t: 3 }]);
  assert.deepEqual(
    decoded.map(({ ts, values }) => [ts, values["t"]]),
    [
      [undefined, 1],
      [TS * 1000, 2],
      [undefined, 3],
    ],
  );
});

test("values that are an object are a reading without a time, and perhaps with its own id", () => {
  const expected = { ts: undefined, sinceArrival: 0, values: { t: 1 } };
  assert.deepEqual(items({ values: { t: 1 }, id: "a-1" }), [{ ...expected, id: "a-1" }]);
  assert.deepEqual(items([{ values: { t: 1 } }]), [{ ...expected, id: undefined }]);
  assert.equal(rejection({ values: { t: 1 }, t: 2 }), "t: is not known beside ts, values and id");
});

test("ts or values or id alone are names of metrics", () => {
  assert.deepEqual(valuesOf({ ts: 5, id: 7 }), [{ ts: 5, id: 7 }]);
  assert.deepEqual(valuesOf({ values: 5 }), [{ values: 5 }]);
});

test("of a key given twice the last holds, as in every JSON parser of JavaScript", () => {
  assert.deepEqual(valuesOf('{"t":1,"t":2}'), [{ t: 2 }]);
});

test("names that objects are born with are names like others, except __proto__", () => {
  const text = '{"constructor":1,"toString":2,"hasOwnProperty":3,"toJSON":4,"valueOf":5,"then":6}';
  assert.equal(JSON.stringify(items(text)[0]?.values), text);
  assert.equal(rejection('{"t":1,"__proto__":2}'), "__proto__: is not allowed as a metric's name");
  assert.match(rejection(`{"ts":${TS},"values":{"__proto__":2}}`), /^values\.__proto__: is not allowed/);
  assert.equal(
    rejection(`{"ts":${TS},"values":{"t":1},"__proto__":2}`),
    "__proto__: is not known beside ts, values and id",
  );
  assert.match(rejection('{"__proto__":{"ts":1,"values":{}}}'), /^__proto__: is not allowed/);
});

test("the content type says JSON, in any case and with parameters, or nothing", () => {
  for (const contentType of [undefined, "", "application/json", "Application/JSON; charset=utf-8"])
    assert.deepEqual(valuesOf({ t: 1 }, contentType), [{ t: 1 }]);
  for (const contentType of ["text/plain", "application/jsonx", "json"])
    assert.match(rejection({ t: 1 }, contentType), /^content type: must be application\/json, /);
});

for (const [payload, reason] of [
  ["", /^payload: is empty$/],
  [" ", /^payload: must be JSON \(/],
  ["{", /^payload: must be JSON \(/],
  ["{'t':1}", /^payload: must be JSON \(/],
  ['{"t":NaN}', /^payload: must be JSON \(/],
  ['{"t":Infinity}', /^payload: must be JSON \(/],
  ['{"t":1}x', /^payload: must be JSON \(/],
  [Buffer.from("\ufeff{}"), /^payload: must be JSON without a byte order mark$/],
  [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), /^payload: must be valid UTF-8$/],
  ["null", /^payload: must be an object$/],
  ["21.5", /^payload: must be an object$/],
  ['"text"', /^payload: must be an object$/],
  ["{}", /^payload: must have at least one metric$/],
  ["[]", /^payload: must have at least one item$/],
  ["[[1]]", /^\[0\]: must be an object$/],
  ['[{"t":1},5]', /^\[1\]: must be an object$/],
  ['[{"t":1},{}]', /^\[1\]: must have at least one metric$/],
  ['{"t":1e400}', /^t: must be a finite number$/],
  ['{"t":-1e400}', /^t: must be a finite number$/],
  ['{"t":null}', /^t: must be a number, boolean or text$/],
  ['{"t":{"deep":1}}', /^t: must be a number, boolean or text$/],
  ['{"t":[1]}', /^t: must be a number, boolean or text$/],
  ['{"":1}', /^"": a metric's name must have at least one character$/],
  ['{"a\\ud800":1}', /^a\ufffd: a metric's name must be well-formed Unicode$/],
  ['{"t":"\\udc00"}', /^t: text must be well-formed Unicode$/],
  [`{"ts":${TS},"values":{}}`, /^values: must have at least one metric$/],
  [`{"ts":${TS},"values":5}`, /^values: must be an object of metrics$/],
  [`{"ts":${TS},"values":[{"t":1}]}`, /^values: must be an object of metrics$/],
  [`{"ts":${TS},"values":{"t":1},"x":1}`, /^x: is not known beside ts, values and id$/],
  [`[{"a":1},{"a":1},{"ts":${TS},"values":{"t":null}}]`, /^\[2\]\.values\.t: must be a number, boolean or text$/],
  [`[{"ts":true,"values":{"t":1}}]`, /^\[0\]\.ts: must be RFC 3339 text or a number/],
  ["[".repeat(200_000), /^payload: must be JSON/],
  [`${"[".repeat(100_000)}${"]".repeat(100_000)}`, /^\[0\]: must be an object$/],
  [`${'{"a":'.repeat(40_000)}1${"}".repeat(40_000)}`, /^a: must be a number, boolean or text$/],
] as const)
  test(`a rejection names the field: ${payload.toString().slice(0, 50)}`, () => {
    assert.match(rejection(payload), reason);
  });

for (const id of [null, "", "x".repeat(129), 1.5, 2 ** 53, true, {}, "\ud800"])
  test(`an item's id is an integer or text of 1 to 128 characters, not ${JSON.stringify(id).slice(0, 20)}`, () => {
    const text = `{"ts":${TS},"values":{"t":1},"id":${JSON.stringify(id)}}`;
    assert.equal(rejection(text), "id: must be an integer or text of 1 to 128 characters");
  });

test("a reading has at most 256 metrics, a message 1000 items", () => {
  const metrics = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`m${i}`, i]));
  assert.equal(Object.keys(items(metrics(256))[0]?.values ?? {}).length, 256);
  assert.equal(rejection(metrics(257)), "payload: must have at most 256 metrics");
  assert.equal(rejection([{ t: 1 }, metrics(257)]), "[1]: must have at most 256 metrics");
  const list = (count: number) => Array.from({ length: count }, (_, t) => ({ t }));
  assert.equal(items(list(1000)).length, 1000);
  assert.equal(rejection(list(1001)), "payload: must have at most 1000 items");
});

test("a name has at most 128 characters, a text value 1024 bytes of UTF-8", () => {
  items({ ["n".repeat(128)]: 1 });
  assert.match(rejection({ ["n".repeat(129)]: 1 }), /^n{64}…: a metric's name must have at most 128 characters$/);
  items({ t: "x".repeat(1024) });
  items({ t: "é".repeat(512) });
  items({ t: "😀".repeat(256) });
  for (const text of ["x".repeat(1025), "é".repeat(513), "€".repeat(342), "😀".repeat(257)])
    assert.equal(rejection({ t: text }), "t: text must have at most 1024 bytes of UTF-8");
});

test("a reason shows no control characters of the payload", () => {
  assert.equal(rejection('{"a\\u0000\\n\\u009b":null}'), "a\ufffd\ufffd\ufffd: must be a number, boolean or text");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
  assert.doesNotMatch(rejection('{"\n\u0007'), /[\u0000-\u001f]/);
});
