import { Errors } from "moleculer";
import { isOutage } from "../channels/errors.ts";

interface PlainError {
  outage?: true;
}

/**
 * How errors travel between processes: besides what Moleculer takes along, that an engine is away (`outage`), by which
 * consumers and the gateway tell it from a fault. Their class does not survive; nobody may ask for it.
 */
export class ErrorRegenerator extends Errors.Regenerator {
  override extractPlainError(error: Error, payload?: object): Errors.PlainMoleculerError {
    const plain = super.extractPlainError(error, payload);
    return isOutage(error) ? Object.assign(plain, { outage: true }) : plain;
  }

  override restore(plain: Errors.PlainMoleculerError & PlainError, payload: object): Error {
    const error = super.restore(plain, payload) as Error;
    return plain.outage ? Object.assign(error, { outage: true }) : error;
  }
}
