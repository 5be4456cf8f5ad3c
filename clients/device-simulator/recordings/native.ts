import type { RecordingForm } from "./index.ts";
import { jsonObject, messageOf } from "./json-line.ts";

/** The platform's own payload with the device's id: `{"deviceId":…,"ts":…,"values":{…}}`. */
export const native: RecordingForm = (firstLine) => {
  const first = jsonObject(firstLine);
  if (!first || !("deviceId" in first && "values" in first)) return undefined;
  return { header: false, read: (line) => messageOf(line, { deviceId: "deviceId", values: "values" }) };
};
