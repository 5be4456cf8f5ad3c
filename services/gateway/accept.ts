import type { StreamType } from "../../lib/contract.ts";
import { NotAcceptableError } from "./errors.ts";

const JSON_TYPE = "application/json";

/**
 * Which of the types that an action offers the caller wants most (RFC 9110 section 12.5.1); undefined = JSON.
 *
 * @throws NotAcceptableError where it wants none of them.
 */
export function acceptedType(accept: string | undefined, streams: readonly StreamType[]): StreamType | undefined {
  const offered = [JSON_TYPE, ...streams];
  const wishes = (accept ?? "*/*")
    .split(",")
    .map(parseWish)
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight);
  for (const { range } of wishes) {
    const found = offered.find((type) => range === "*/*" || range === type || range === `${type.split("/", 1)[0]}/*`);
    if (found) return found === JSON_TYPE ? undefined : (found as StreamType);
  }
  throw new NotAcceptableError(offered);
}

function parseWish(text: string): { range: string; weight: number } {
  const [range = "", ...parameters] = text.split(";").map((part) => part.trim().toLowerCase());
  const weight = Number(parameters.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? 1);
  return { range, weight: Number.isFinite(weight) ? weight : 0 };
}
