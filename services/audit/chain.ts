import { createHash } from "node:crypto";
import type { AuditRecorded } from "../../schemas/audit.ts";
import type { AuditEventDocument } from "./audit-event.model.ts";

/** Where a chain ends. */
export interface Head {
  seq: number;
  hash: string;
}

/** Before the first event. */
export const EMPTY: Head = { seq: 0, hash: "" };

/** The event at the next place of its tenant's chain. */
export function linked(event: AuditRecorded, before: Head): AuditEventDocument {
  const text = JSON.stringify(event);
  const seq = before.seq + 1;
  return { ...fieldsOf(event), seq, _id: placeOf(event.tenantId, seq), text, hash: hashOf(before.hash, seq, text) };
}

/** Why a stored event is not the one that was appended behind `before`; undefined where it is. */
export function brokenLink(stored: AuditEventDocument, before: Head): string | undefined {
  const { seq, text, hash } = stored;
  if (seq !== before.seq + 1) return `${missing(before.seq + 1, seq)}`;
  if (hash !== hashOf(before.hash, seq, text)) return `event ${seq} or the one before it was changed`;
  const fields = Object.entries({ ...fieldsOf(JSON.parse(text) as AuditRecorded), _id: placeOf(stored.tenantId, seq) });
  const wrong = fields.find(([name, value]) => stored[name as keyof AuditEventDocument] !== value);
  return wrong && `event ${seq} was changed in its field ${wrong[0]}`;
}

/** From one place to the next: the text is that of the event alone, so that its place has to be in the hash. */
const hashOf = (before: string, seq: number, text: string): string =>
  createHash("sha256").update(`${before}\n${seq}\n${text}`).digest("base64url");

const placeOf = (tenantId: string, seq: number): string => `${tenantId}/${seq}`;

const missing = (expected: number, found: number): string =>
  found === expected + 1 ? `event ${expected} is missing` : `events ${expected} to ${found - 1} are missing`;

/** What an event is found by. */
const fieldsOf = ({ tenantId, eventId, at, action, actor, target, outcome }: AuditRecorded) => ({
  ...{ tenantId, eventId, at, action, outcome },
  ...(actor.id === undefined ? {} : { actorId: actor.id }),
  ...(target === undefined ? {} : { target }),
});
