import { createHash } from "node:crypto";
import { Errors } from "moleculer";
import type { z } from "zod";

/** Where a page ended: the key of its last item. Never an object, which a document store might take for an operator. */
export type Place = string | number | readonly (string | number)[];

/**
 * Opaque cursor of the place, bound to its list: `query` is everything but page size that decides what the list holds
 * and in which order (any JSON value, the tenant included where places of tenants look alike).
 */
export const cursorOf = (place: Place, query: unknown): string =>
  Buffer.from(JSON.stringify([digestOf(query), place])).toString("base64url");

/**
 * The place that `cursorOf` was given for the same query. A cursor is not signed: it holds nothing but a place in what
 * the caller may read anyway; `shape` checks one whose place is used for more than a comparison.
 *
 * @throws CursorRefusedError where the cursor is no cursor, or one of another query.
 */
export function placeOf<T extends Place>(cursor: string, query: unknown, shape?: z.ZodType<T>): T {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, "base64url").toString());
  } catch {
    throw new CursorRefusedError("is not a cursor of this list");
  }
  const [digest, place] = Array.isArray(parts) && parts.length === 2 ? parts : [];
  if (typeof digest !== "string" || !isPlace(place)) throw new CursorRefusedError("is not a cursor of this list");
  if (digest !== digestOf(query)) throw new CursorRefusedError("belongs to another query; begin without it");
  const parsed = shape?.safeParse(place);
  if (parsed && !parsed.success) throw new CursorRefusedError("is not a cursor of this list");
  return place as T; // Without a shape the digest is what says that the place is of this list.
}

/** 400: the cursor was not given by this list. */
export class CursorRefusedError extends Errors.MoleculerClientError {
  constructor(message: string) {
    super(`cursor ${message}.`, 400, "CURSOR_REFUSED", [{ field: "cursor", message }]);
  }
}

const isPlace = (value: unknown): value is Place =>
  isKey(value) || (Array.isArray(value) && value.length <= 8 && value.every(isKey));
const isKey = (value: unknown): value is string | number => typeof value === "string" || Number.isFinite(value);

/** Eight bytes tell queries apart; they protect nothing. */
const digestOf = (query: unknown): string =>
  createHash("sha256").update(JSON.stringify(query)).digest().subarray(0, 8).toString("base64url");
