import mongodb from "mongodb";

/**
 * An error as the server would send it: `code` and `codeName` are MongoDB's own
 * (https://www.mongodb.com/docs/manual/reference/error-codes/).
 */
export function serverError(
  code: number,
  codeName: string,
  message: string,
  details: Record<string, unknown> = {},
): mongodb.MongoServerError {
  return new mongodb.MongoServerError({ message, errmsg: message, ok: 0, code, codeName, ...details });
}

/**
 * Unsupported throws: a wrong answer would be found much later than an error.
 *
 * @throws MongoServerError 115 CommandNotSupported, always, naming the feature.
 */
export function refuse(feature: string): never {
  throw serverError(115, "CommandNotSupported", `the embedded store does not support ${feature}`);
}

/** 2: an operator was given a value it cannot take. */
export const badValue = (message: string): mongodb.MongoServerError => serverError(2, "BadValue", message);

/** 9: the shape of a command or update is wrong. */
export const failedToParse = (message: string): mongodb.MongoServerError => serverError(9, "FailedToParse", message);

/** 14: an operator meets a stored value of another type. */
export const typeMismatch = (message: string): mongodb.MongoServerError => serverError(14, "TypeMismatch", message);
