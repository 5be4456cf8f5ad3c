import { STATUS_CODES } from "node:http";
import { isOutage } from "./channels/errors.ts";

/** Problem document (RFC 9457). Its type is always `about:blank`: `code` tells problems of one status apart. */
export interface Problem {
  type: "about:blank";
  title: string;
  status: number;
  /** Stable, for programs. */
  code: string;
  detail?: string;
  /** Fields that are wrong, and why. */
  errors?: { field: string; message: string }[];
}

/** As much as is looked at of an error; those of other nodes are plain objects. */
interface Failure {
  message?: unknown;
  code?: unknown;
  status?: unknown;
  type?: unknown;
  data?: unknown;
}

/** Errors of the framework, by type: what they say of nodes and actions is nobody's business outside. */
const FRAMEWORK: Record<string, { status: number; code: string; detail: string }> = Object.fromEntries(
  Object.entries({
    SERVICE_NOT_FOUND: [503, "UNAVAILABLE", "A part of the platform is not running; try again later."],
    SERVICE_NOT_AVAILABLE: [503, "UNAVAILABLE", "A part of the platform is not running; try again later."],
    SERVICE_UNAVAILABLE: [503, "UNAVAILABLE", "A part of the platform is not running; try again later."],
    REQUEST_REJECTED: [503, "UNAVAILABLE", "A part of the platform is not running; try again later."],
    QUEUE_FULL: [503, "UNAVAILABLE", "The platform is busy; try again later."],
    REQUEST_TIMEOUT: [504, "TIMEOUT", "The platform did not answer in time."],
    REQUEST_SKIPPED: [504, "TIMEOUT", "The platform did not answer in time."],
    "entity.too.large": [413, "BODY_TOO_LARGE", "The body is larger than this server takes."],
    "entity.parse.failed": [400, "BODY_MALFORMED", "The body is not valid JSON."],
    "encoding.unsupported": [415, "ENCODING_UNSUPPORTED", "The content encoding of the body is not supported."],
    "charset.unsupported": [415, "CHARSET_UNSUPPORTED", "The character set of the body is not supported."],
    "request.aborted": [400, "BODY_INCOMPLETE", "The body ended too early."],
    "request.size.invalid": [400, "BODY_INCOMPLETE", "The body is not as long as its Content-Length says."],
    UNABLE_DECODE_PARAM: [400, "PATH_MALFORMED", "The path is not valid percent-encoding."],
  } satisfies Record<string, [number, string, string]>).map(([type, [status, code, detail]]) => [
    type,
    { status, code, detail },
  ]),
);

/** What a caller may know of an error. Of one that is the platform's fault it is the status only. */
export function problemOf(error: unknown): Problem {
  const { message, code, type, data } = (error ?? {}) as Failure;
  const known = typeof type === "string" && Object.hasOwn(FRAMEWORK, type) ? FRAMEWORK[type] : undefined;
  if (known) return problem(known.status, known.code, known.detail);
  // A type is what our own errors have; numbers of a database or a system call are not HTTP's.
  const status = isErrorStatus(code) && (typeof type === "string" || code >= 500) ? code : isOutage(error) ? 503 : 500;
  if (status >= 500) return problem(status, status === 503 ? "UNAVAILABLE" : "INTERNAL", SERVER_FAULT[status]);
  return { ...problem(status, String(type), String(message)), ...(isFields(data) ? { errors: data } : {}) };
}

const SERVER_FAULT: Record<number, string> = { 503: "The platform cannot do this now; try again later." };

export const problem = (status: number, code: string, detail?: string): Problem => ({
  type: "about:blank",
  title: STATUS_CODES[status] ?? "Error",
  status,
  code,
  ...(detail === undefined ? {} : { detail }),
});

const isErrorStatus = (code: unknown): code is number =>
  Number.isInteger(code) && (code as number) >= 400 && (code as number) < 600;

const isFields = (data: unknown): data is { field: string; message: string }[] =>
  Array.isArray(data) && data.every((item) => typeof item?.field === "string" && typeof item?.message === "string");
