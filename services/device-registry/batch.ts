import { setImmediate as otherWork } from "node:timers/promises";
import { jsonFault } from "../../lib/json-fault.ts";
import { type JsonLine, type JsonLinesLimits, jsonLines } from "../../lib/json-lines.ts";
import { issueOf } from "../../lib/service.ts";
import { type BatchLine, DeviceRegistration } from "../../schemas/device.ts";
import type { DeviceDocument } from "./device.model.ts";
import { documentOf } from "./device.ts";
import { BatchTooLargeError, DeviceExistsError } from "./errors.ts";

/** Devices of one write; others get their turn in between. */
const CHUNK = 500;

export interface BatchParts {
  tenantId: string;
  now: Date;
  newId: () => string;
  /** Inserts those whose id is free; gives the places of the others. */
  insertNew(devices: readonly DeviceDocument[]): Promise<Set<number>>;
}

/**
 * All lines of a batch, read before any is taken: one that is too large, or breaks off, registers nothing.
 *
 * @throws JsonLinesError, BatchTooLargeError
 */
export async function readBatch(
  stream: AsyncIterable<Buffer>,
  { linesMax, bytesMax }: { linesMax: number; bytesMax: number },
): Promise<JsonLine[]> {
  const limits: JsonLinesLimits = { linesMax, lineBytesMax: bytesMax };
  const lines: JsonLine[] = [];
  for await (const line of jsonLines(atMost(stream, bytesMax), limits)) lines.push(line);
  return lines;
}

async function* atMost(stream: AsyncIterable<Buffer>, bytesMax: number): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new BatchTooLargeError(bytesMax);
    yield chunk;
  }
}

/** Registers each line's device; a line that is refused fails alone. */
export async function registerLines(lines: readonly JsonLine[], parts: BatchParts): Promise<BatchLine[]> {
  const results: BatchLine[] = [];
  for (let begin = 0; begin < lines.length; begin += CHUNK) {
    if (begin > 0) await otherWork();
    results.push(...(await registerChunk(lines.slice(begin, begin + CHUNK), parts)));
  }
  return results;
}

async function registerChunk(lines: readonly JsonLine[], parts: BatchParts): Promise<BatchLine[]> {
  const read = lines.map((line) => readLine(line, parts));
  const devices = read.flatMap(({ device }) => (device ? [device] : []));
  const taken = await parts.insertNew(devices);
  const refused = new Set(devices.filter((_, place) => taken.has(place)));
  return read.map(({ device, result }) => (device && refused.has(device) ? exists(result.line, device) : result));
}

/** What a line becomes unless its id is taken. */
function readLine(
  line: JsonLine,
  { tenantId, now, newId }: BatchParts,
): { device?: DeviceDocument; result: BatchLine } {
  if ("error" in line) return { result: invalid(line.line, [{ field: "line", message: line.error }]) };
  const fault = jsonFault(line.value);
  if (fault) return { result: invalid(line.line, [fault]) };
  const parsed = DeviceRegistration.safeParse(line.value);
  if (!parsed.success) return { result: invalid(line.line, parsed.error.issues.map(issueOf)) };
  const { id: deviceId = newId() } = parsed.data;
  const device = documentOf(tenantId, parsed.data, deviceId, now);
  return { device, result: { line: line.line, status: 201, deviceId } };
}

const invalid = (line: number, errors: NonNullable<BatchLine["errors"]>): BatchLine => ({
  line,
  status: 422,
  code: "VALIDATION_ERROR",
  errors,
});

function exists(line: number, { deviceId }: DeviceDocument): BatchLine {
  const { code: status, type } = new DeviceExistsError(deviceId);
  return { line, status, deviceId, code: type };
}
