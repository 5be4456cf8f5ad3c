/** A payload means nothing; the message names the field. Never leaves the decoder. */
export class Rejection extends Error {
  override name = "Rejection";
  readonly field: string;
  readonly problem: string;

  constructor(field: string, problem: string) {
    super(`${field}: ${problem}`);
    this.field = field;
    this.problem = problem;
  }
}

/** Throws the rejection of a field: `reject("[3].values.x", "must be …")`. */
export function reject(field: string, problem: string): never {
  throw new Rejection(field, problem);
}

/** A name from a payload as it may stand in a reason: short, and without control characters. */
export const shown = (name: string): string =>
  name.length <= 64 ? printable(name) : `${printable(name.slice(0, 64))}…`;

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced.
const printable = (text: string) => text.toWellFormed().replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, "\ufffd");

export type Fields = Record<string, unknown>;

/** A JSON object, or what a decoder makes of a map; bytes are none, although they have numbered fields. */
export const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
