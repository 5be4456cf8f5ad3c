import type { Revocation } from "../../schemas/revocation.ts";
import type { AccessTokenClaims } from "./access-token.ts";

/** From the most to the least particular: a revocation is kept under the first that it names. */
const FIELDS = ["jti", "gid", "sub", "client_id", "tenant"] as const;
/** A token may outlive its `exp` by the difference of clocks. */
const KEPT_SECONDS_MORE = 300;
/** Between two looks for entries whose tokens have all expired. */
const PURGE_SECONDS = 60;

/**
 * Revoked tokens that have not expired yet. Its size is bounded by what is revoked within one life of a token: nothing
 * that is live is ever dropped.
 */
export class DenyList {
  readonly #entries = new Map<string, Map<string, Revocation>>();
  #purgedAt = 0;
  /** Grows with each entry: what was judged under an older one has to be judged again. */
  version = 0;

  /** Adding it again changes nothing. */
  add(revocation: Revocation): void {
    const now = Date.now() / 1000;
    this.#purge(now);
    const field = FIELDS.find((one) => revocation[one] !== undefined);
    if (field === undefined || isOver(revocation, now)) return;
    const key = `${field}:${revocation[field]}`;
    const same = this.#entries.get(key) ?? new Map<string, Revocation>();
    const text = JSON.stringify(Object.entries(revocation).sort());
    if (same.has(text)) return;
    this.#entries.set(key, same.set(text, revocation));
    this.version++;
  }

  denies(claims: AccessTokenClaims): boolean {
    if (this.#entries.size === 0) return false;
    const now = Date.now() / 1000;
    return FIELDS.some((field) => {
      const found = this.#entries.get(`${field}:${claims[field]}`);
      return found !== undefined && [...found.values()].some((one) => !isOver(one, now) && isMeant(one, claims));
    });
  }

  get size(): number {
    return this.#entries.size;
  }

  #purge(now: number): void {
    if (now - this.#purgedAt < PURGE_SECONDS) return;
    this.#purgedAt = now;
    for (const [key, same] of this.#entries) {
      for (const [text, revocation] of same) if (isOver(revocation, now)) same.delete(text);
      if (same.size === 0) this.#entries.delete(key);
    }
  }
}

const isOver = ({ until }: Revocation, now: number) => until + KEPT_SECONDS_MORE < now;

const isMeant = (revocation: Revocation, claims: AccessTokenClaims) =>
  FIELDS.every((field) => revocation[field] === undefined || revocation[field] === claims[field]) &&
  claims.iat <= (revocation.before ?? Number.POSITIVE_INFINITY);
