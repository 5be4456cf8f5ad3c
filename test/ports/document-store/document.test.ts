import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import mongodb from "mongodb";
import { TYPE_ORDER } from "../../../lib/embedded-mongo/bson-value.ts";
import { INDEXES_MAX, REFUSED_INDEX_OPTIONS } from "../../../lib/embedded-mongo/create-index.ts";
import { COLLECTION_METHODS } from "../../../lib/embedded-mongo/embedded-collection.ts";
import { SWEEP_BATCH } from "../../../lib/embedded-mongo/expiry.ts";
import { REFUSED_TYPES, TYPES } from "../../../lib/embedded-mongo/filter-operand.ts";
import { NESTING_LEVELS_MAX } from "../../../lib/embedded-mongo/normalise.ts";
import { REFUSED_OPTIONS } from "../../../lib/embedded-mongo/options.ts";
import {
  FIELD_OPERATORS,
  LOGICAL_OPERATORS,
  parseFilter,
  REFUSED_FILTER_OPERATORS,
} from "../../../lib/embedded-mongo/parse-filter.ts";
import {
  ARRAY_MODIFIERS,
  parseOperatorUpdate,
  REFUSED_ARRAY_MODIFIERS,
  REFUSED_UPDATE_OPERATORS,
  UPDATE_OPERATORS,
} from "../../../lib/embedded-mongo/parse-update.ts";
import { methodsOf } from "../../../lib/embedded-mongo/refuse-rest.ts";
import { SORT_CHARACTERS_MAX } from "../../../lib/embedded-mongo/scan.ts";
import { PADDING_MAX } from "../../../lib/embedded-mongo/update-path.ts";
import { DOCUMENT_BYTES_MAX } from "../../../lib/embedded-mongo/write.ts";

const DOCUMENT = readFileSync(new URL("../../../docs/embedded-store.md", import.meta.url), "utf8");

/** The names of one list item of the document: `- Label: ` and what stands in backticks behind it. */
function listed(label: string): string[] {
  const start = DOCUMENT.indexOf(`- ${label}: `);
  assert.notEqual(start, -1, `the document has no list '${label}'`);
  const item = DOCUMENT.slice(start + label.length + 4).split(/\n(?! {2})/)[0] ?? "";
  return Array.from(item.matchAll(/`([^`]+)`/g), ([, name]) => String(name));
}

const words = (names: Iterable<string>) => [...names].filter((name) => Number.isNaN(Number(name)));

for (const [label, names] of Object.entries<Iterable<string>>({
  Kept: Object.keys(TYPE_ORDER),
  "Joining operators": LOGICAL_OPERATORS,
  "Field operators": FIELD_OPERATORS,
  "`$type` knows": words(Object.keys(TYPES)),
  "Refused operators": REFUSED_FILTER_OPERATORS,
  "Refused `$type` names": words(REFUSED_TYPES),
  Operators: UPDATE_OPERATORS,
  "`$push` takes": ARRAY_MODIFIERS.$push,
  "`$addToSet` takes": ARRAY_MODIFIERS.$addToSet,
  "Refused operators of updates": REFUSED_UPDATE_OPERATORS,
  "Refused modifiers": REFUSED_ARRAY_MODIFIERS,
  "Refused index options": REFUSED_INDEX_OPTIONS,
  Collection: COLLECTION_METHODS,
  "Refused methods": methodsOf(mongodb.Collection).filter((method) => !COLLECTION_METHODS.includes(method)),
  "Refused options": REFUSED_OPTIONS,
}))
  test(`docs/embedded-store.md lists what the code has: ${label}`, () => {
    assert.deepEqual(listed(label).toSorted(), [...names].toSorted());
  });

test("docs/embedded-store.md names the limits that the code has", () => {
  const limits = [...DOCUMENT.matchAll(/^\| [^|]+ \| (\d+)/gm)].map(([, limit]) => Number(limit));
  assert.deepEqual(limits, [
    DOCUMENT_BYTES_MAX,
    NESTING_LEVELS_MAX,
    INDEXES_MAX,
    SORT_CHARACTERS_MAX,
    PADDING_MAX,
    SWEEP_BATCH,
  ]);
});

/** The code of what a parser throws, if anything. */
function codeOf(parse: () => unknown): number | undefined {
  try {
    parse();
    return undefined;
  } catch (error) {
    return (error as { code?: number }).code;
  }
}

test("every listed filter operator is taken, and every refused one is refused wherever it stands", () => {
  const operands: Record<string, unknown> = {
    ...{ $in: [1], $nin: [1], $all: [1], $not: { $gt: 1 }, $type: "string", $regex: "a", $elemMatch: { a: 1 } },
    ...{ $and: [{ a: 1 }], $or: [{ a: 1 }], $nor: [{ a: 1 }], $size: 1 },
  };
  for (const name of listed("Field operators")) {
    const operators = name === "$options" ? { $regex: "a", $options: "i" } : { [name]: operands[name] ?? 1 };
    assert.equal(
      codeOf(() => parseFilter({ field: operators })),
      undefined,
      name,
    );
  }
  for (const name of listed("Joining operators"))
    assert.equal(
      codeOf(() => parseFilter({ [name]: operands[name] })),
      undefined,
      name,
    );
  for (const name of listed("Refused operators"))
    for (const filter of [{ [name]: 1 }, { field: { [name]: 1 } }, { $or: [{ field: { $not: { [name]: 1 } } }] }])
      assert.equal(
        codeOf(() => parseFilter(filter)),
        115,
        JSON.stringify(filter),
      );
});

test("every listed update operator is taken, and every refused one is refused", () => {
  const operands: Record<string, unknown> = { $currentDate: true, $pullAll: [1] };
  for (const name of listed("Operators"))
    assert.equal(
      codeOf(() => parseOperatorUpdate({ [name]: { field: operands[name] ?? 1 } })),
      undefined,
      name,
    );
  for (const name of listed("Refused operators of updates"))
    assert.equal(
      codeOf(() => parseOperatorUpdate({ [name]: { field: 1 } })),
      115,
      name,
    );
});
