import mongoose from "mongoose";

const { Binary, ObjectId } = mongoose.mongo;

export type Random = () => number;
type Fields = Record<string, unknown>;

/** mulberry32: a small generator whose whole state is its seed. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const pick = <T>(random: Random, items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;

const NUMBERS = [
  0,
  -0,
  1,
  2,
  2.5,
  -1,
  0.1,
  0.1 + 0.2,
  1e21,
  2 ** 53,
  -(2 ** 60),
  Number.MAX_VALUE,
  5e-324,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
];
const STRINGS = ["", "a", "b", "ab", "~", "~a", "~t", "1", "[", '{"x":1}', "\u{1F600}", "\uFFFD", "a\0", "\x7f"];
const DATES = [0, 1, -1, 1e12, -7e13, 3e14].map((time) => new Date(time));
const IDS = ["000000000000000000000000", "65a000000000000000000001", "ffffffffffffffffffffffff"].map(
  (hex) => new ObjectId(hex),
);

/**
 * A value from a small pool, so that equal ones meet.
 *
 * @param kinds 0 every type; 1 numbers and null; 2 strings and numbers; 3 dates, ObjectIds and null.
 */
function randomValue(random: Random, kinds: number, depth = 0): unknown {
  if (kinds === 1) return random() < 0.2 ? null : pick(random, NUMBERS);
  if (kinds === 2) return random() < 0.3 ? pick(random, NUMBERS) : pick(random, STRINGS);
  if (kinds === 3) return random() < 0.2 ? null : pick<unknown>(random, [...DATES, ...IDS]);
  const choice = random();
  if (choice < 0.25) return pick(random, NUMBERS);
  if (choice < 0.5) return pick(random, STRINGS);
  if (choice < 0.6) return pick<unknown>(random, [null, true, false, Number.NaN]);
  if (choice < 0.7) return pick<unknown>(random, [...DATES, ...IDS]);
  if (choice < 0.75) return new Binary(Buffer.from(pick(random, ["", "a", "ab"])));
  if (depth > 1 || choice < 0.8) return pick(random, NUMBERS);
  if (choice < 0.9)
    return Array.from({ length: Math.floor(random() * 3) }, () => randomValue(random, kinds, depth + 1));
  return randomFields(random, kinds, ["d", "e", "x"], depth + 1);
}

function randomFields(random: Random, kinds: number, names: readonly string[], depth: number): Fields {
  const fields: Fields = {};
  for (const name of names) if (random() < 0.7) fields[name] = randomValue(random, kinds, depth);
  return fields;
}

export function randomDocument(random: Random, kinds: number): Fields {
  const document = randomFields(random, kinds, ["a", "b"], 0);
  // "c" is what the dotted paths go through.
  if (random() < 0.8) document["c"] = randomFields(random, kinds, ["d", "e"], 1);
  else if (kinds === 0) document["c"] = randomValue(random, kinds);
  return document;
}

const PATHS = ["a", "b", "c.d", "c.e", "c.e.0", "c"];

export function randomFilter(random: Random, kinds: number, depth = 0): Fields {
  if (depth < 2 && random() < 0.3) {
    const operator = pick(random, ["$and", "$or", "$nor"]);
    return {
      [operator]: Array.from({ length: 1 + Math.floor(random() * 2) }, () => randomFilter(random, kinds, depth + 1)),
    };
  }
  return random() < 0.2
    ? {
        [pick(random, PATHS)]: randomTest(random, kinds),
        _id: { [pick(random, ["$gt", "$lte", "$ne"])]: Math.floor(random() * 60) },
      }
    : { [pick(random, PATHS)]: randomTest(random, kinds) };
}

function randomTest(random: Random, kinds: number): unknown {
  const value = () => randomValue(random, kinds);
  const choice = random();
  if (choice < 0.2) return value();
  if (choice < 0.55) return { [pick(random, ["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"])]: value() };
  if (choice < 0.65) return { [pick(random, ["$gt", "$gte"])]: value(), [pick(random, ["$lt", "$lte"])]: value() };
  if (choice < 0.75) return { [pick(random, ["$in", "$nin"])]: [value(), value(), value()] };
  if (choice < 0.8) return { $exists: random() < 0.5 };
  if (choice < 0.85) return { $type: pick(random, ["number", "string", "null", "array", "object", "date", "bool"]) };
  if (choice < 0.9) return { $not: { [pick(random, ["$gt", "$lte", "$eq"])]: value() } };
  if (choice < 0.95)
    return pick<unknown>(random, [{ $size: 1 }, { $all: [value()] }, { $elemMatch: { $gte: value() } }]);
  return { $regex: pick(random, ["^a", "b$", ".", "~"]) };
}

/** Always down to `_id`, so that the order is the only right one. */
export function randomSort(random: Random): Record<string, 1 | -1> {
  const direction = () => (random() < 0.5 ? 1 : -1);
  const sort: Record<string, 1 | -1> = {};
  for (const path of ["a", "b", "c.d"]) if (random() < 0.4) sort[path] = direction();
  sort["_id"] = direction();
  return sort;
}
