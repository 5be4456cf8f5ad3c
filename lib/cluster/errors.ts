import { Errors } from "moleculer";
import { EngineUnavailableError } from "../channels/errors.ts";

/** 503: the transporter has no connection, so that no other process can be asked. */
export class TransporterAwayError extends EngineUnavailableError {
  override name = "TransporterAwayError";
  override readonly type = "TRANSPORTER_AWAY";

  constructor() {
    super("The transporter has no connection.");
  }
}

/** 413: a request that is larger than one message between processes may be. */
export class MessageTooLargeError extends Errors.MoleculerClientError {
  constructor(bytesMax: number) {
    super(`The request is larger than a message between services may be, ${bytesMax} bytes.`, 413, "BODY_TOO_LARGE");
  }
}

/** 422: an answer that is larger than one message between processes may be. */
export class AnswerTooLargeError extends Errors.MoleculerClientError {
  constructor(bytesMax: number) {
    super(
      `The answer is larger than a message between services may be, ${bytesMax} bytes; ask for fewer items at once.`,
      422,
      "ANSWER_TOO_LARGE",
    );
  }
}

/** The other process ended the stream, or does not know it any more. */
export class StreamGoneError extends Errors.MoleculerError {
  constructor() {
    super("The stream is gone.", 503, "STREAM_GONE");
  }
}
