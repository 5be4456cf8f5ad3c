/** What is wrong with a value, and where: `readings.0.values.t`. */
export interface JsonFault {
  /** Empty: the value itself. */
  field: string;
  message: string;
}

interface Place {
  value: unknown;
  name: string;
  within: Place | undefined;
  depth: number;
}

/** Arrays and objects inside each other: beyond it, what recurses would end at a depth of its own. */
export const JSON_DEPTH_MAX = 40;

/**
 * The first thing in a parsed JSON value that would not come back as it was given: a number beyond a double's range
 * (`1e400`), which JSON.parse makes Infinity of and JSON.stringify null; and the name `__proto__`, which most of what
 * copies objects loses. RFC 8259 section 6 leaves the range of numbers to the implementation. Never recurses.
 */
export function jsonFault(value: unknown, depthMax = JSON_DEPTH_MAX): JsonFault | undefined {
  const waiting: Place[] = [{ value, name: "", within: undefined, depth: 0 }];
  for (let place = waiting.pop(); place; place = waiting.pop()) {
    const { value: item, name, depth } = place;
    const fault = (message: string) => ({ field: pathOf(place), message });
    if (name === "__proto__") return fault("is not allowed as a name");
    if (typeof item === "number" && !Number.isFinite(item)) return fault("must be a finite number");
    if (typeof item !== "object" || item === null) continue;
    if (depth >= depthMax) return fault(`must not be nested deeper than ${depthMax}`);
    for (const [inner, within] of Object.entries(item).reverse())
      waiting.push({ value: within, name: inner, within: place, depth: depth + 1 });
  }
  return undefined;
}

function pathOf(place: Place): string {
  const names = [];
  for (let at = place; at.within; at = at.within) names.unshift(at.name);
  return names.join(".");
}
