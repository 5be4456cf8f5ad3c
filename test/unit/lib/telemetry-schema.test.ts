import assert from "node:assert/strict";
import { test } from "node:test";
import { compileTelemetrySchema, problemsOf } from "../../../lib/telemetry-schema.ts";

type Schema = Record<string, unknown>;
const chain = (length: number, link: (ref: Schema) => Schema): Schema => ({
  $ref: `#/$defs/d${length}`,
  $defs: Object.fromEntries([
    ["d0", { type: "number" }],
    ...Array.from({ length }, (_, n) => [`d${n + 1}`, link({ $ref: `#/$defs/d${n}` })]),
  ]),
});
const nested = (levels: number): Schema => (levels === 0 ? {} : { not: nested(levels - 1) });

const boiler: Schema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "Boiler",
  type: "object",
  properties: {
    temperature: { type: "number", minimum: -40, maximum: 120, description: "at the outlet" },
    step: { multipleOf: 0.1 },
    state: { enum: ["on", "off"] },
    fixed: { const: 1 },
    name: { type: "string", maxLength: 3 },
    either: { anyOf: [{ type: "boolean" }, { $ref: "#/$defs/count" }] },
    "a/b~c": { type: "integer" },
    never: false,
  },
  $defs: { count: { type: "integer", exclusiveMinimum: 0 } },
  required: ["temperature"],
  dependentRequired: { step: ["state"] },
  additionalProperties: false,
};

const cases: [values: Record<string, unknown>, reason: string | undefined][] = [
  [{ temperature: 21.5 }, undefined],
  [{ temperature: 21.5, step: 0.3, state: "on", fixed: 1, name: "ünï", either: 3, "a/b~c": 2 }, undefined],
  [{ temperature: -41 }, "temperature: must be >= -40"],
  [{ temperature: "21" }, "temperature: must be number"],
  [{}, "temperature: is missing"],
  [{ temperature: 1, step: 0.35, state: "on" }, "step: must be multiple of 0.1"],
  [{ temperature: 1, step: 0.3 }, "state: is missing"],
  [{ temperature: 1, state: "ON" }, 'state: must be one of ["on","off"]'],
  [{ temperature: 1, fixed: 2 }, "fixed: must be 1"],
  [{ temperature: 1, name: "four" }, "name: must NOT have more than 3 characters"],
  [{ temperature: 1, either: 0 }, "either: must match a schema in anyOf"],
  [{ temperature: 1, "a/b~c": 0.5 }, "a/b~c: must be integer"],
  [{ temperature: 1, never: 1 }, "never: must not be there"],
  [{ temperature: 1, other: 1 }, "other: is not a metric of the device type"],
  [{ temperature: 1, "\u0007": 1 }, '"\\u0007": is not a metric of the device type'],
];
test("values are refused with the metric and the reason", async () => {
  assert.deepEqual(await problemsOf(boiler), []);
  const check = await compileTelemetrySchema(boiler);
  for (const [values, reason] of cases) assert.equal(check(values), reason);
});

const refused: [what: string, schema: Schema, field: string, message: RegExp][] = [
  ["pattern", { properties: { t: { pattern: "x" } } }, "/properties/t/pattern", /regular expression/],
  ["patternProperties", { patternProperties: { x: {} } }, "/patternProperties", /regular expression/],
  ["format", { properties: { t: { format: "email" } } }, "/properties/t/format", /regular expression/],
  ["uniqueItems", { allOf: [{}, { uniqueItems: true }] }, "/allOf/1/uniqueItems", /not supported/],
  ["items", { not: { items: {} } }, "/not/items", /not supported/],
  ["$dynamicRef", { $dynamicRef: "#x" }, "/$dynamicRef", /not supported/],
  ["$id", { $id: "http://example.com/" }, "/$id", /not supported/],
  ["an unknown keyword", { propertys: {} }, "/propertys", /not supported/],
  ["a keyword named as what every object has", { constructor: {} }, "/constructor", /not supported/],
  ["a remote reference", { properties: { t: { $ref: "http://example.com/s" } } }, "/properties/t/$ref", /fetched/],
  ["a reference to all of it", { $ref: "#" }, "/$ref", /NAME/],
  ["a reference to nothing", { $ref: "#/$defs/x" }, "/$ref", /nowhere/],
  ["a reference to what objects inherit", { $ref: "#/$defs/toString", $defs: {} }, "/$ref", /nowhere/],
  ["a reference to itself", { $defs: { a: { not: { $ref: "#/$defs/a" } } } }, "/$defs/a/not/$ref", /itself/],
  ["definitions inside", { not: { $defs: {} } }, "/not/$defs", /top/],
  ["another draft", { $schema: "http://json-schema.org/draft-04/schema#" }, "/$schema", /2020-12/],
  ["deep nesting", nested(17), "", /deeper than 16/],
  ["deep nesting by references", chain(17, (ref) => ref), "", /deeper than 16/],
  ["what doubles at each reference", chain(7, (ref) => ({ allOf: Array(4).fill(ref) })), "", /cost/],
  ["a long list of values", { properties: { t: { enum: Array.from({ length: 3000 }, (_, n) => n) } } }, "", /cost/],
  ["a wrong value", { properties: { t: { minimum: "1" } } }, "/properties/t/minimum", /must be number/],
  ["a wrong type", { type: "nubmer" }, "/type", /./],
  ["no schema", { properties: { t: 5 } }, "/properties/t", /must be object,boolean/],
  ["lists that are none", { allOf: 5 }, "/allOf", /must be array/],
  ["properties that are none", { properties: [] }, "/properties", /must be object/],
  ["__proto__", { properties: JSON.parse('{"__proto__":{}}') }, "/properties/__proto__", /no name/],
];
for (const [what, schema, field, message] of refused)
  test(`a schema with ${what} is refused by the keyword's path`, async () => {
    const [problem] = await problemsOf(schema);
    assert.equal(problem?.field, `telemetrySchema${field}`);
    assert.match(problem.message, message);
  });

test("a schema of as many metrics as a reading may have is taken", async () => {
  const names = Array.from({ length: 256 }, (_, n) => `m${n}`);
  const properties = Object.fromEntries(names.map((name) => [name, { type: "number", minimum: 0, maximum: 9 }]));
  const schema = { type: "object", properties, required: names, additionalProperties: { type: "boolean" } };
  assert.deepEqual(await problemsOf(schema), []);
});

test("no refused value, however long, makes a long reason", async () => {
  const check = await compileTelemetrySchema({ properties: { t: { enum: Array.from({ length: 500 }, (_, n) => n) } } });
  assert.ok((check({ t: "x".repeat(1000) }) ?? "").length < 250);
});
