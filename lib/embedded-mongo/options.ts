import { badValue, refuse } from "./errors.ts";

/** Options of any operation. Those that change the answer and are not implemented must not be ignored. */
export type Options = Record<string, unknown>;

export const REFUSED_OPTIONS: readonly string[] =
  "session collation hint arrayFilters let min max returnKey showRecordId tailable awaitData oplogReplay explain raw fieldsAsRaw serializeFunctions ignoreUndefined useBigInt64 bsonRegExp forceServerObjectId capped timeseries validator validationLevel validationAction viewOn pipeline clusteredIndex changeStreamPreAndPostImages encryptedFields storageEngine expireAfterSeconds".split(
    " ",
  );
/** Options whose `false` changes the answer. */
const REFUSED_WHEN_FALSE = "promoteValues promoteLongs promoteBuffers".split(" ");

/**
 * @param more options that this operation does not have in the supported subset.
 * @throws MongoServerError 115 naming the option.
 */
export function checkOptions(options: Options | undefined, more: readonly string[] = []): Options {
  if (options === undefined || options === null) return {};
  for (const name of [...REFUSED_OPTIONS, ...more]) {
    const value = options[name];
    // mongoose passes `session: null`.
    if (value !== undefined && value !== null && value !== false) refuse(`the option ${name}`);
  }
  for (const name of REFUSED_WHEN_FALSE) if (options[name] === false) refuse(`the option ${name}: false`);
  if (options["promoteBuffers"] === true) refuse("the option promoteBuffers");
  const concern = options["writeConcern"];
  const w = typeof concern === "object" && concern !== null && "w" in concern ? concern.w : options["w"];
  if (w === 0) refuse("the write concern w: 0");
  return options;
}

/** skip and limit. @throws MongoServerError as the server for negative or fractional numbers. */
export function countOption(options: Options, name: "skip" | "limit"): number {
  const value = options[name];
  if (value === undefined || value === null) return 0;
  if (typeof value !== "number" || !Number.isInteger(value)) throw badValue(`${name} must be an integer`);
  // A negative limit asks for a single batch, which makes no difference to the documents.
  if (name === "limit") return Math.abs(value);
  if (value < 0) throw badValue(`BSON field 'skip' value must be >= 0, actual value '${value}'`);
  return value;
}
