/** Names of fields whose values are nobody's business in a log, whatever stands before or behind these words. */
const SECRET = /passw|passphrase|secret|token|authorization|credential$|cookie|api.?key|private.?key|dpop|assertion/i;
/** Secrets within a text: what follows an HTTP authentication scheme, and the user part of a URL. */
const IN_TEXT: [pattern: RegExp, to: string][] = [
  [/\b(Bearer|Basic|DPoP)\s+[\w.~+/=-]{6,}/gi, "$1 [redacted]"],
  [/(\w+:\/\/)[^\s/@:]+:[^\s/@]+@/g, "$1[redacted]@"],
];

const REDACTED = "[redacted]";
const DEPTH_MAX = 5;
const ITEMS_MAX = 50;
const CHARS_MAX = 2000;
const STACK_CHARS_MAX = 8000;

/**
 * A value as it may stand in a log: JSON types only, bounded in depth, number and length, secrets taken out by their
 * fields' names. A net below the rule that secrets are not logged at all.
 */
export function loggable(value: unknown, depth = 0): unknown {
  switch (typeof value) {
    case "string":
      return textOf(value);
    case "bigint":
    case "symbol":
    case "function":
      return String(value).slice(0, CHARS_MAX);
    case "object":
      return value === null ? null : objectOf(value, depth);
    default:
      return Number.isNaN(value) || value === Infinity || value === -Infinity ? String(value) : value;
  }
}

/** A text without secrets that are known by their form, cut where it is long. */
export function textOf(text: string, charsMax = CHARS_MAX): string {
  let clean = text.length > charsMax ? `${text.slice(0, charsMax)}… (${text.length} characters)` : text;
  for (const [pattern, to] of IN_TEXT) clean = clean.replace(pattern, to);
  return clean.toWellFormed();
}

function objectOf(value: object, depth: number): unknown {
  if (value instanceof Error) return errorOf(value, depth);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (depth >= DEPTH_MAX) return "[…]";
  if (value instanceof Map || value instanceof Set) return loggable([...value], depth);
  if (Array.isArray(value)) {
    const items = value.slice(0, ITEMS_MAX).map((item) => loggable(item, depth + 1));
    return value.length > ITEMS_MAX ? [...items, `… (${value.length} items)`] : items;
  }
  return fieldsOf(value, depth);
}

function fieldsOf(value: object, depth: number): Record<string, unknown> {
  const entries = Object.entries(value).slice(0, ITEMS_MAX);
  return Object.fromEntries(
    entries.map(([name, field]) => [name, SECRET.test(name) ? REDACTED : loggable(field, depth + 1)]),
  );
}

/** What an error says, with its stack and causes; its own fields too, such as `code` and `data`. */
export function errorOf(error: Error, depth = 0): Record<string, unknown> {
  const { name, message, stack, cause } = error;
  // The framework's errors may carry their whole call.
  const {
    name: _name,
    message: _message,
    stack: _stack,
    cause: _cause,
    ctx: _ctx,
    ...own
  } = error as Error & { ctx?: unknown };
  if (depth >= DEPTH_MAX) return { name, message: textOf(message) };
  return {
    ...{ name, message: textOf(message) },
    ...(stack === undefined ? {} : { stack: textOf(stack, STACK_CHARS_MAX) }),
    ...fieldsOf(own, depth),
    ...(cause === undefined ? {} : { cause: loggable(cause, depth + 1) }),
  };
}
