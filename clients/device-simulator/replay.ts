import { micros, rfc3339 } from "./instant.ts";
import { lines } from "./lines.ts";
import type { Message } from "./message.ts";
import { formOf, type ReadLine } from "./recordings/index.ts";

export interface ReplayOptions {
  /** File, or `-`. */
  replay?: string | undefined;
  /** Times as fast as recorded; Infinity: as fast as acknowledged. */
  speed: number;
  start: "now" | "recorded";
  prefix: string;
  count?: number | undefined;
}

/**
 * The messages of a recording in the file's order. Their times are exactly the file's, or all shifted by the same,
 * so that the first is now.
 *
 * @param skipped - told how many lines held no value
 * @param stop - ends the reading
 * @throws Error naming file and line when one cannot be read
 */
export async function* replayedMessages(
  options: ReplayOptions,
  skipped: { empty: number },
  stop: AbortSignal,
  nowMs = Date.now(),
): AsyncGenerator<Message> {
  const { replay: file = "-", speed, start, prefix, count = Number.POSITIVE_INFINITY } = options;
  let read: ReadLine | undefined;
  let firstMicros: number | undefined;
  let [number, given] = [0, 0];
  for await (const line of lines(file, stop)) {
    number++;
    if (given >= count) return;
    if (line === "") continue;
    try {
      if (!read) {
        const form = formOf(line);
        read = form.read;
        if (form.header) continue;
      }
      const recorded = read(line);
      if (!recorded) {
        skipped.empty++;
        continue;
      }
      const at = micros(recorded.ts);
      firstMicros ??= at;
      const ts = start === "now" ? rfc3339(at - firstMicros + nowMs * 1000) : recorded.ts;
      given++;
      yield {
        deviceId: prefix + recorded.deviceId,
        ts,
        values: recorded.values,
        dueMs: (at - firstMicros) / 1000 / speed,
      };
    } catch (error) {
      throw new Error(`${file === "-" ? "standard input" : file} line ${number}: ${(error as Error).message}`);
    }
  }
  if (number === 0 && !stop.aborted) throw new Error(`${file} is empty`);
}
