import { Errors } from "moleculer";
import type { JsonFault } from "../../lib/json-fault.ts";

/** 404: no such path. */
export class PathNotFoundError extends Errors.MoleculerClientError {
  constructor() {
    super("Nothing is found at this path.", 404, "PATH_NOT_FOUND");
  }
}

/** 405: the path exists, the method does not (RFC 9110 section 15.5.6); the answer's `Allow` has those that do. */
export class MethodNotAllowedError extends Errors.MoleculerClientError {
  constructor(method: string, allowed: readonly string[]) {
    super(`${method} is not possible here, only ${allowed.join(", ")}.`, 405, "METHOD_NOT_ALLOWED");
  }
}

/** 406: none of the media types that the caller accepts is offered. */
export class NotAcceptableError extends Errors.MoleculerClientError {
  constructor(offered: readonly string[]) {
    super(`The answer may be ${offered.join(", ")}.`, 406, "NOT_ACCEPTABLE");
  }
}

/** 415: a body of another type than the path takes. */
export class MediaTypeError extends Errors.MoleculerClientError {
  constructor(expected: string) {
    super(`The body must be ${expected}.`, 415, "MEDIA_TYPE_UNSUPPORTED");
  }
}

/** 429: too many requests of one address; the answer's `Retry-After` says when to come again (RFC 6585 section 4). */
export class RateLimitedError extends Errors.MoleculerClientError {
  constructor() {
    super("Too many requests from this address.", 429, "RATE_LIMITED");
  }
}

/** 422: JSON, but not an object, or not one that would come back as it was given. */
export class BodyShapeError extends Errors.ValidationError {
  constructor({ field, message }: JsonFault = { field: "body", message: "must be a JSON object" }) {
    super("Invalid parameters.", "VALIDATION_ERROR", [{ field, message }]);
  }
}

/** 415: packed in a way that is not taken. */
export class EncodingError extends Errors.MoleculerClientError {
  constructor() {
    super("The content encoding must be gzip, deflate or identity.", 415, "ENCODING_UNSUPPORTED");
  }
}

/** 400: the body cannot be unpacked. */
export class BodyMalformedError extends Errors.MoleculerClientError {
  constructor() {
    super("The body is not what its content encoding says.", 400, "BODY_MALFORMED");
  }
}

/** 421: the request was meant for another host (RFC 9110 section 15.5.20). */
export class ForeignHostError extends Errors.MoleculerClientError {
  constructor() {
    super("Host must be a name of this machine's loopback.", 421, "HOST_FOREIGN");
  }
}

/** 403: a page of another site may not write. */
export class ForeignOriginError extends Errors.MoleculerClientError {
  constructor() {
    super("Origin is another site's.", 403, "ORIGIN_FOREIGN");
  }
}
