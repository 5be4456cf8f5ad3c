import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";

const HEADER = "x-request-id";
/** What a caller may name its request: it goes to the log as it is. */
const ACCEPTED = /^[\w.:+/=-]{1,128}$/;

/**
 * Gives the request an id, the caller's own where it is fit for a log, and puts it where the framework looks for it.
 */
export function identifyRequest(request: IncomingMessage): string {
  const given = request.headers[HEADER];
  const id = typeof given === "string" && ACCEPTED.test(given) ? given : randomUUID();
  request.headers[HEADER] = id;
  // The framework would prefer this one, unchecked.
  delete request.headers["x-correlation-id"];
  return id;
}
