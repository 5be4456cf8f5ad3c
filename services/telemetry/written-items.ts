import { itemOf, type TelemetryItem } from "../../lib/readings/item.ts";
import { isObject, Rejection } from "../../lib/readings/rejection.ts";
import type { TypeSchema } from "../../lib/readings/type-schemas.ts";
import { ParameterError } from "./errors.ts";

/**
 * The readings of a request, by the rules of an MQTT payload.
 *
 * @throws ParameterError naming the first field that is wrong, such as `readings.3.values.x`.
 */
export function writtenItems(readings: readonly unknown[]): TelemetryItem[] {
  return readings.map((reading, index) => {
    const at = `readings.${index}`;
    if (!isObject(reading)) throw new ParameterError(at, "must be an object");
    try {
      return itemOf(reading, `${at}.`);
    } catch (error) {
      if (error instanceof Rejection) throw new ParameterError(error.field, error.problem);
      throw error;
    }
  });
}

/**
 * Holds the readings against the device type's schema, as an edge does.
 *
 * @param now microseconds since 1970
 * @throws ParameterError naming the first reading that is not what the type wants.
 */
export function checkType(items: readonly TelemetryItem[], schema: TypeSchema, now: number): void {
  for (const [index, item] of items.entries()) {
    const reason = schema.refusal([item], now);
    if (reason !== undefined) throw new ParameterError(`readings.${index}.values`, reason);
  }
}
