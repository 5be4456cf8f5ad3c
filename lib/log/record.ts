import { stripVTControlCharacters } from "node:util";
import { errorOf, loggable, textOf } from "./redaction.ts";

/** One line of the log, before it has a form. */
export interface LogRecord {
  time: string;
  level: string;
  /** Service, or part of the framework, that says it. */
  module: string;
  nodeID: string;
  message: string;
  /** Of the request that led to it, where one is known. */
  requestId?: string;
  error?: Record<string, unknown>;
  /** Everything else that was said. */
  fields?: Record<string, unknown>;
}

/** What was given to a logger, in order: texts make the message, an error its part, objects the fields. */
export function recordOf(
  { module, nodeID }: { module: string; nodeID: string },
  level: string,
  args: readonly unknown[],
  time: Date,
): LogRecord {
  const texts: string[] = [];
  const fields: Record<string, unknown> = {};
  let error: Error | undefined;
  for (const arg of args) {
    if (arg instanceof Error) error ??= arg;
    else if (typeof arg === "object" && arg !== null && !Array.isArray(arg)) Object.assign(fields, arg);
    else texts.push(typeof arg === "string" ? arg : JSON.stringify(loggable(arg)));
  }
  if (fields["error"] instanceof Error) {
    error ??= fields["error"];
    delete fields["error"];
  }
  const { requestId, ...others } = fields;
  const rest = loggable(others) as Record<string, unknown>;
  const message = texts.length > 0 ? stripVTControlCharacters(texts.join(" ")) : (error?.message ?? "");
  return {
    ...{ time: time.toISOString(), level, module, nodeID, message: textOf(message) },
    ...(typeof requestId === "string" ? { requestId: textOf(requestId) } : {}),
    ...(error === undefined ? {} : { error: errorOf(error) }),
    ...(Object.keys(rest).length === 0 ? {} : { fields: rest }),
  };
}

/** One line of JSON. */
export const jsonLine = (record: LogRecord): string => `${JSON.stringify(record)}\n`;

/** One line for people, and below it the stack of an error. */
export function textLine({ time, level, module, message, requestId, error, fields }: LogRecord): string {
  const known = { ...fields, ...(requestId === undefined ? {} : { requestId }) };
  const pairs = Object.entries(known).map(([name, value]) => ` ${name}=${plain(value)}`);
  const what = message === error?.["message"] || error === undefined ? "" : ` error=${plain(error["message"])}`;
  const line = `${time} ${level.toUpperCase().padEnd(5)} ${module}: ${visible(message)}${pairs.join("")}${what}\n`;
  return error === undefined ? line : `${line}${stackOf(error)}`;
}

function stackOf(error: Record<string, unknown>): string {
  const { stack, cause } = error;
  const lines = typeof stack === "string" ? stack.split("\n").slice(1) : [];
  const own = lines.map((line) => `  ${visible(line.trim())}\n`).join("");
  if (typeof cause !== "object" || cause === null) return own;
  const { message } = cause as { message?: unknown };
  return `${own}  caused by: ${visible(String(message))}\n${stackOf(cause as Record<string, unknown>)}`;
}

const plain = (value: unknown) =>
  typeof value === "string" && /^[^\s"=]+$/.test(value) ? visible(value) : JSON.stringify(value);

/** A line stays a line, whatever somebody has sent. */
const visible = (text: string) =>
  text.replaceAll(
    /[\p{Cc}\u2028\u2029]/gu,
    (one) => `\\u${(one.codePointAt(0) as number).toString(16).padStart(4, "0")}`,
  );
