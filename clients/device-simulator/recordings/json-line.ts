/** The object of a line of JSON, or undefined when the line is none. */
export function jsonObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** @throws Error naming the field that is wrong. */
export function messageOf(line: string, fields: { deviceId: string; values: string }) {
  const object = jsonObject(line);
  if (!object) throw new Error("is no JSON object");
  const { [fields.deviceId]: deviceId, [fields.values]: values, ts } = object;
  if (typeof deviceId !== "string") throw new Error(`${fields.deviceId} is no text`);
  if (typeof ts !== "number" && typeof ts !== "string") throw new Error("ts is neither number nor text");
  if (typeof values !== "object" || values === null) throw new Error(`${fields.values} is no object`);
  // The platform judges the values themselves; a recording may hold what it refuses.
  return { deviceId, ts, values: values as Record<string, number | boolean | string> };
}
