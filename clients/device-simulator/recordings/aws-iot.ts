import type { RecordingForm } from "./index.ts";
import { jsonObject, messageOf } from "./json-line.ts";

/** Payloads of garystafford/aws-iot-analytics-demo: `{"data":{…},"device_id":…,"ts":<seconds with fraction>,"device":…}`. */
export const awsIot: RecordingForm = (firstLine) => {
  const first = jsonObject(firstLine);
  if (!first || !("data" in first && "device_id" in first)) return undefined;
  return { header: false, read: (line) => messageOf(line, { deviceId: "device_id", values: "data" }) };
};
