import { Errors } from "moleculer";

/** 404: no such dead letter, or another tenant's (indistinguishable on purpose). */
export class DeadLetterNotFoundError extends Errors.MoleculerClientError {
  constructor(deadLetterId: string) {
    super(`Dead letter '${deadLetterId}' not found.`, 404, "DEAD_LETTER_NOT_FOUND", { deadLetterId });
  }
}

/** 409: it was too large to be kept as a whole. */
export class DeadLetterIncompleteError extends Errors.MoleculerClientError {
  constructor(deadLetterId: string) {
    super(
      `Of dead letter '${deadLetterId}' only the beginning is kept; replace its payload before it is re-driven.`,
      409,
      "DEAD_LETTER_INCOMPLETE",
      { deadLetterId },
    );
  }
}

/** 409: the platform has no channel of this name any more. */
export class ChannelUnknownError extends Errors.MoleculerClientError {
  constructor(channel: string) {
    super(`There is no channel '${channel}' any more.`, 409, "CHANNEL_UNKNOWN", { channel });
  }
}

/** 422 naming the field of a payload that must not be changed. */
export class PayloadRefusedError extends Errors.ValidationError {
  constructor(field: string, message: string) {
    super("Invalid parameters.", "VALIDATION_ERROR", [{ field, message }]);
  }
}
