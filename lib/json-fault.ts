/** What is wrong with a value, and where: `readings.0.values.t`. */
export interface JsonFault {
  /** Of what is nested too deep, its outermost name only; empty: the value itself. */
  field: string;
  message: string;
}

/** Characters of a name in a path. */
const NAME_SHOWN = 128;

interface Place {
  value: unknown;
  name: string;
  within: Place | undefined;
  depth: number;
}

/** Arrays and objects inside each other in a field: beyond it, what recurses would end at a depth of its own. */
export const JSON_DEPTH_MAX = 40;

/**
 * The first thing in a parsed JSON value that would not come back as it was given: a number beyond a double's range
 * (`1e400`), which JSON.parse makes Infinity of and JSON.stringify null; and the name `__proto__`, which most of what
 * copies objects loses. RFC 8259 section 6 leaves the range of numbers to the implementation. Never recurses.
 *
 * @param value an object of fields
 */
export function jsonFault(value: unknown, depthMax = JSON_DEPTH_MAX): JsonFault | undefined {
  const waiting: Place[] = [{ value, name: "", within: undefined, depth: 0 }];
  for (let place = waiting.pop(); place; place = waiting.pop()) {
    const { value: item, name, depth } = place;
    const fault = (message: string) => ({ field: namesOf(place).join("."), message });
    if (name === "__proto__") return fault("is not allowed as a name");
    if (typeof item === "number" && !Number.isFinite(item)) return fault("must be a finite number");
    if (typeof item !== "object" || item === null) continue;
    if (depth > depthMax)
      return { field: namesOf(place)[0] ?? "", message: `must not be nested deeper than ${depthMax}` };
    for (const [inner, within] of Object.entries(item).reverse())
      waiting.push({ value: within, name: inner, within: place, depth: depth + 1 });
  }
  return undefined;
}

/** From the outermost inwards; names are the caller's, and may be long. */
function namesOf(place: Place): string[] {
  const names: string[] = [];
  for (let at = place; at.within; at = at.within) names.unshift(at.name.slice(0, NAME_SHOWN));
  return names;
}
