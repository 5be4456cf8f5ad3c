import type { Message } from "../message.ts";
import { awsIot } from "./aws-iot.ts";
import { csv } from "./csv.ts";
import { native } from "./native.ts";

/** What a line of a recording says; undefined when it holds no value. */
export type Recorded = Omit<Message, "dueMs">;
export type ReadLine = (line: string) => Recorded | undefined;

/**
 * One form of recordings: looks at the first line and returns how to read lines, or undefined when the recording has
 * another form. `header` says that the first line is no message itself.
 */
export type RecordingForm = (firstLine: string) => { header: boolean; read: ReadLine } | undefined;

/** Every form that can be replayed; a new one is a file and an entry here. */
export const forms: Record<string, RecordingForm> = {
  "AWS IoT, one JSON of device_id, ts, data per line": awsIot,
  "one JSON of deviceId, ts, values per line": native,
  "CSV with the columns device_id and ts": csv,
};

/** @throws Error naming the known forms when the first line is of none. */
export function formOf(firstLine: string) {
  for (const form of Object.values(forms)) {
    const found = form(firstLine);
    if (found) return found;
  }
  throw new Error(`is of no known form (${Object.keys(forms).join("; ")})`);
}
