import { Errors } from "moleculer";

export interface JsonLinesLimits {
  /** Bytes of one line. */
  lineBytesMax: number;
  linesMax: number;
}

/** One line: what it says, or why it says nothing. */
export type JsonLine = { line: number; value: unknown } | { line: number; error: string };

const LINE_FEED = 0x0a;

/**
 * Reads lines of JSON (NDJSON) from a stream of bytes, one at a time, so that a slow reader slows the sender. Lines are
 * numbered from 1; empty ones are skipped, and count. A line that is no JSON is handed on as an error, not thrown.
 *
 * @throws JsonLinesError beyond a limit; what was read before was handed on.
 */
export async function* jsonLines(stream: AsyncIterable<Buffer>, limits: JsonLinesLimits): AsyncGenerator<JsonLine> {
  let rest: Buffer = Buffer.alloc(0);
  let line = 0;
  for await (const chunk of stream) {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED)) {
      const parsed = parse(bytes.subarray(0, end), ++line, limits);
      if (parsed) yield parsed;
      bytes = bytes.subarray(end + 1);
    }
    if (bytes.length > limits.lineBytesMax) throw new JsonLinesError(line + 1, limits);
    rest = bytes;
  }
  const last = rest.length === 0 ? undefined : parse(rest, ++line, limits);
  if (last) yield last;
}

function parse(bytes: Buffer, line: number, limits: JsonLinesLimits): JsonLine | undefined {
  if (line > limits.linesMax || bytes.length > limits.lineBytesMax) throw new JsonLinesError(line, limits);
  const text = bytes.toString().trim();
  if (text === "") return undefined;
  try {
    return { line, value: JSON.parse(text) };
  } catch {
    return { line, error: "must be JSON" };
  }
}

/** 413: more lines, or a longer one, than is taken. */
export class JsonLinesError extends Errors.MoleculerClientError {
  constructor(line: number, { linesMax, lineBytesMax }: JsonLinesLimits) {
    const [message, code] =
      line > linesMax
        ? [`is one too many: ${linesMax} are taken`, "LINES_TOO_MANY"]
        : [`must have at most ${lineBytesMax} bytes`, "LINE_TOO_LARGE"];
    super(`Line ${line} ${message}.`, 413, code, [{ field: `line ${line}`, message }]);
  }
}
