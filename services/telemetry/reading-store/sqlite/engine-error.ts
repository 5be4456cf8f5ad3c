import { Errors } from "moleculer";
import { EngineUnavailableError } from "../../../../lib/channels/errors.ts";

/** SQLITE_TOOBIG, SQLITE_CONSTRAINT, SQLITE_MISMATCH: the data's fault, now and ever. */
const DATA_ERRORS = [18, 19, 20];

/**
 * Anything else that SQLite reports is an outage (busy, disk full, I/O error, read-only, corrupt, closed): what could
 * not be stored waits, rather than being taken for poison. Other errors stay what they are.
 */
export function engineError(error: unknown): unknown {
  const { code, errcode, message } = (error ?? {}) as { code?: string; errcode?: number; message?: string };
  if (code !== "ERR_SQLITE_ERROR" && code !== "ERR_INVALID_STATE") return error;
  if (code === "ERR_SQLITE_ERROR" && DATA_ERRORS.includes(Number(errcode) & 0xff))
    return Object.assign(
      new Errors.MoleculerClientError(`The reading store refused the data: ${message}.`, 422, "READING_REFUSED"),
      { cause: error },
    );
  return new EngineUnavailableError("The reading store is unavailable.", { cause: error });
}
