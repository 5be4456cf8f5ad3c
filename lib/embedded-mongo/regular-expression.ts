import { badValue, refuse, serverError } from "./errors.ts";

/** Characters that a Unicode-mode JavaScript pattern may escape by themselves. */
const SYNTAX = "^$\\.*+?()[]{}|/";

/** What JavaScript spells otherwise than PCRE (without UCP), inside and outside of a class. */
const ASCII_CLASSES: Record<string, string> = { s: "\\t\\n\\v\\f\\r ", w: "A-Za-z0-9_", d: "0-9" };
const END = "(?=\\n?(?![^]))";
const LINE_START = "(?<=(?<![^])|\\n(?=[^]))";
const LINE_END = "(?=\\n|(?![^]))";

/**
 * Compiles the common part of PCRE and JavaScript so that it means what it means to the server: `.` stops at `\n`
 * only, `$` also matches before a last `\n`, `\s` `\w` `\d` are ASCII.
 *
 * @param options any of `i`, `m`, `s`.
 * @throws MongoServerError 115 for syntax that only one of the two has, 2 for unknown options.
 */
export function compilePattern(pattern: string, options: string): RegExp {
  for (const option of options) {
    if (option === "x") refuse("the $regex option x");
    if (!"ims".includes(option)) throw badValue(`$options: invalid flag in regex options: ${option}`);
  }
  if (pattern.includes("\0")) throw badValue("Regular expression cannot contain an embedded null byte");
  const translated = translate(pattern, options.includes("m"), options.includes("s"));
  try {
    // `u` also turns the syntax that JavaScript would take for something else into errors.
    return new RegExp(translated, options.includes("i") ? "iu" : "u");
  } catch (error) {
    throw serverError(115, "CommandNotSupported", `the embedded store does not support the $regex ${pattern}`, {
      cause: error,
    });
  }
}

/** A RegExp object as the driver would send it. */
export function compileRegExp(expression: RegExp, options?: string): RegExp {
  for (const flag of expression.flags) {
    // The driver drops `s` and sends `g` as `s`; what the caller means is not knowable.
    if (!"imu".includes(flag)) refuse(`the RegExp flag ${flag} (use $regex with $options)`);
  }
  const own = (expression.ignoreCase ? "i" : "") + (expression.multiline ? "m" : "");
  return compilePattern(expression.source, options ?? own);
}

function translate(pattern: string, multiline: boolean, dotAll: boolean): string {
  let out = "";
  let inClass = false;
  const characters = [...pattern];
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i] as string;
    if (character === "\\") {
      i++;
      out += translateEscape(characters[i], inClass, pattern);
    } else if (inClass) {
      if (character === "[" && ":.=".includes(characters[i + 1] ?? "x"))
        refuse(`POSIX classes in the $regex ${pattern}`);
      if (character === "]") inClass = false;
      out += character === "[" ? "\\[" : character;
    } else if (character === "[") {
      inClass = true;
      out += character;
      if (characters[i + 1] === "^") out += characters[++i];
      if (characters[i + 1] === "]") refuse(`a class that begins with ] in the $regex ${pattern}`);
    } else if (character === ".") out += dotAll ? "[^]" : "[^\\n]";
    else if (character === "$") out += multiline ? LINE_END : END;
    else if (character === "^" && multiline) out += LINE_START;
    else out += character;
  }
  return out;
}

function translateEscape(character: string | undefined, inClass: boolean, pattern: string): string {
  if (character === undefined) return "\\";
  const ascii = ASCII_CLASSES[character.toLowerCase()];
  if (ascii !== undefined) {
    if (character === character.toLowerCase()) return inClass ? ascii : `[${ascii}]`;
    if (inClass) refuse(`\\${character} inside a class in the $regex ${pattern}`);
    return `[^${ascii}]`;
  }
  if ("tnrfxBb0".includes(character)) {
    if (character === "B" && inClass) refuse(`\\B inside a class in the $regex ${pattern}`);
    return `\\${character}`;
  }
  if (/[A-Za-z0-9]/.test(character)) return refuse(`\\${character} in the $regex ${pattern}`);
  const code = character.codePointAt(0) as number;
  if (SYNTAX.includes(character) || code > 0x7e) return code > 0x7e ? character : `\\${character}`;
  return `\\x${code.toString(16).padStart(2, "0")}`;
}
