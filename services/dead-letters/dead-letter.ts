import { hash } from "node:crypto";
import type { DeadCause } from "../../lib/channels/dead-cause.ts";
import type { RawMessage } from "../../lib/channels/message.ts";
import { REDRIVE_GROUP, REDRIVEN_FROM } from "../../lib/channels/redrive.ts";
import { DeviceId, TenantId } from "../../schemas/common.ts";
import type { DeadLetter, DeadLetterSummary } from "../../schemas/dead-letters.ts";
import { type DeadLetterDocument, keyOf } from "./dead-letter.model.ts";
import { PayloadRefusedError } from "./errors.ts";

/** Characters of a payload that are kept as a whole; a document of the store has 16 MiB at most. */
export const PAYLOAD_CHARS_MAX = 4_194_304;
/** Of a larger one so many are kept, to see what it is. */
const BEGINNING_CHARS = 65_536;

/** Headers that tell of the death, and are no message's own. */
const OF_THE_DEATH = /^x-(original-|error-|dead-|attempts$)/;

/**
 * The dead letter of one message on `<channel>.dead`. Its id comes from where the message failed, so that the same death
 * told twice is one letter.
 */
export function documentOf(
  kind: "facts" | "work",
  channel: string,
  payload: string,
  { headers, key }: Pick<RawMessage, "headers" | "key">,
): DeadLetterDocument {
  const { tenantId, deviceId } = ownerOf(key, payload);
  const group = headers["x-original-group"] ?? "";
  const position = headers["x-original-position"] ?? "";
  const publishedAt = headers["x-original-timestamp"] ?? "";
  const letterId = hash("sha256", JSON.stringify([channel, group, position, publishedAt]), "base64url").slice(0, 22);
  const code = headers["x-error-code"];
  const complete = payload.length <= PAYLOAD_CHARS_MAX;
  return {
    _id: keyOf(tenantId, letterId),
    ...{ tenantId, letterId, kind, channel, group, position },
    ...(deviceId === undefined ? {} : { deviceId }),
    ...(key === null ? {} : { key }),
    cause: (headers["x-dead-cause"] ?? "delivery_limit") as DeadCause,
    errorMessage: headers["x-error-message"] ?? "",
    errorType: headers["x-error-type"] ?? "Error",
    ...(code === undefined ? {} : { errorCode: code }),
    attempts: Number(headers["x-attempts"] ?? 0),
    publishedAt: new Date(publishedAt),
    deadAt: new Date(headers["x-dead-at"] ?? publishedAt),
    headers: Object.entries(headers)
      .filter(([name]) => !OF_THE_DEATH.test(name))
      .map(([name, value]) => ({ name, value })),
    payload: complete ? payload : payload.slice(0, BEGINNING_CHARS),
    complete,
    revision: 0,
  };
}

/** Whose a message is: its key says `tenant/device`; without such a key its payload does. */
export function ownerOf(key: string | null, payload: string): { tenantId: string; deviceId: string | undefined } {
  const slash = key?.indexOf("/") ?? -1;
  const [tenant, device] = slash > 0 ? [key?.slice(0, slash), key?.slice(slash + 1)] : [];
  if (TenantId.safeParse(tenant).success) return { tenantId: tenant as string, deviceId: checkedDevice(device) };
  const fields = objectOf(payload) ?? {};
  const named = TenantId.safeParse(fields["tenantId"]);
  return { tenantId: named.success ? named.data : "", deviceId: checkedDevice(fields["deviceId"]) };
}

const checkedDevice = (device: unknown) => DeviceId.safeParse(device).data;

export function summaryOf(letter: Omit<DeadLetterDocument, "payload" | "headers">): DeadLetterSummary {
  const { letterId, kind, channel, group, deviceId, cause, attempts, position, editedAt } = letter;
  const { errorMessage: message, errorType: type, errorCode: code } = letter;
  return {
    ...{ id: letterId, kind, channel, cause, attempts, position },
    error: { message, type, ...(code === undefined ? {} : { code }) },
    ...(group === "" ? {} : { group }),
    ...(deviceId === undefined ? {} : { deviceId }),
    publishedAt: letter.publishedAt.toISOString(),
    deadAt: letter.deadAt.toISOString(),
    ...(editedAt === undefined ? {} : { editedAt: editedAt.toISOString() }),
  };
}

/** As it is inspected. Headers that begin with `$` are the platform's own: they are sent along again, but not shown. */
export function deadLetterOf(letter: DeadLetterDocument): DeadLetter {
  const { key, headers, payload, complete } = letter;
  const json = complete ? jsonOf(payload) : undefined;
  return {
    ...summaryOf(letter),
    ...(key === undefined ? {} : { key }),
    headers: Object.fromEntries(
      headers.filter(({ name }) => !name.startsWith("$")).map(({ name, value }) => [name, value]),
    ),
    ...(json === undefined ? {} : { payload: json as DeadLetter["payload"] }),
    bytes: Buffer.from(payload).toString("base64"),
    complete,
  };
}

/** What the message travels with when it is sent again: its own headers, and to whom it goes. */
export function redriveHeaders({ headers, kind, group, letterId }: DeadLetterDocument): Record<string, string> {
  return {
    ...Object.fromEntries(headers.map(({ name, value }) => [name, value])),
    ...(kind === "facts" && group !== "" ? { [REDRIVE_GROUP]: group } : {}),
    [REDRIVEN_FROM]: letterId,
  };
}

/**
 * The text of a payload that replaces a letter's.
 *
 * @throws PayloadRefusedError where it would become another tenant's or another device's message.
 */
export function editedPayload(letter: DeadLetterDocument, payload: Record<string, unknown>): string {
  const before = objectOf(letter.payload) ?? {};
  for (const field of ["tenantId", "deviceId"] as const) {
    const owned = letter[field];
    if (!owned || !(Object.hasOwn(payload, field) || Object.hasOwn(before, field))) continue;
    if (payload[field] !== owned) throw new PayloadRefusedError(`payload.${field}`, `must be '${owned}'`);
  }
  const text = JSON.stringify(payload);
  if (text.length > PAYLOAD_CHARS_MAX)
    throw new PayloadRefusedError("payload", `must have at most ${PAYLOAD_CHARS_MAX} characters`);
  return text;
}

function objectOf(text: string): Record<string, unknown> | undefined {
  const json = jsonOf(text);
  return typeof json === "object" && json !== null && !Array.isArray(json)
    ? (json as Record<string, unknown>)
    : undefined;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
