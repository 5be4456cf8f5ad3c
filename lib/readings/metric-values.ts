import { METRICS_PER_READING_MAX, type MetricValues, TEXT_VALUE_BYTES_MAX } from "../../schemas/telemetry.ts";
import { type Fields, reject, shown } from "./rejection.ts";

const NAME_LENGTH_MAX = 128;

/**
 * The fields as metrics. Checked by hand, not by schema: this runs for every reading.
 *
 * @param at what a field's name is prefixed with in a reason, such as `[3].values.`
 * @throws Rejection
 */
export function metricValues(fields: Fields, at: string): MetricValues {
  let count = 0;
  for (const name in fields) {
    if (++count > METRICS_PER_READING_MAX) reject(at.slice(0, -1) || "payload", tooMany);
    checkName(name, at);
    checkValue(fields[name], name, at);
  }
  if (count === 0) reject(at.slice(0, -1) || "payload", "must have at least one metric");
  return fields as MetricValues;
}

const tooMany = `must have at most ${METRICS_PER_READING_MAX} metrics`;

/** @throws Rejection */
export function checkName(name: string, at: string): void {
  if (name.length === 0) reject(`${at}""`, "a metric's name must have at least one character");
  if (name.length > NAME_LENGTH_MAX)
    reject(`${at}${shown(name)}`, `a metric's name must have at most ${NAME_LENGTH_MAX} characters`);
  if (!name.isWellFormed()) reject(`${at}${shown(name)}`, "a metric's name must be well-formed Unicode");
  // As a key of a plain object it would be no key: consumers would lose it.
  if (name === "__proto__") reject(`${at}__proto__`, "is not allowed as a metric's name");
}

/** @throws Rejection */
export function checkValue(value: unknown, name: string, at: string): void {
  switch (typeof value) {
    case "number":
      if (!Number.isFinite(value)) reject(at + shown(name), "must be a finite number");
      return;
    case "boolean":
      return;
    case "string":
      // A UTF-16 unit is at most three bytes: short text needs no counting.
      if (value.length * 3 > TEXT_VALUE_BYTES_MAX && Buffer.byteLength(value) > TEXT_VALUE_BYTES_MAX)
        reject(at + shown(name), `text must have at most ${TEXT_VALUE_BYTES_MAX} bytes of UTF-8`);
      if (!value.isWellFormed()) reject(at + shown(name), "text must be well-formed Unicode");
      return;
    default:
      reject(at + shown(name), "must be a number, boolean or text");
  }
}
