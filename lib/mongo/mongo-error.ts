import { Errors } from "moleculer";
import { EngineUnavailableError } from "../channels/errors.ts";

/** BadValue, TypeMismatch, DocumentValidationFailure, a document or key that is too large: the data's fault, now and ever. */
const DATA_ERRORS = new Set([2, 14, 121, 10_334, 17_280, 17_419, 17_420]);

/**
 * Errors of MongoDB in terms of a store's port: what is not the data's fault is an outage, so that what could not be
 * stored waits rather than being taken for poison. Other errors stay what they are.
 *
 * @param store such as "reading store"
 */
export function mongoError(error: unknown, store: string): unknown {
  const { name, code, message } = (error ?? {}) as { name?: unknown; code?: unknown; message?: string };
  if (typeof name !== "string" || !/^(Mongo|BSON)/.test(name)) return error;
  if (DATA_ERRORS.has(Number(code)) || name.startsWith("BSON"))
    return Object.assign(
      new Errors.MoleculerClientError(`The ${store} refused the data: ${message}.`, 422, "DATA_REFUSED"),
      {
        cause: error,
      },
    );
  return new EngineUnavailableError(`The ${store} is unavailable.`, { cause: error });
}
