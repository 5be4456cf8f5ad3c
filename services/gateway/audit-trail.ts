import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { type Meta, tenantOf } from "../../lib/meta.ts";
import type { TypedBroker } from "../../lib/service.ts";
import type { AuditRecorded } from "../../schemas/audit.ts";

type Request = IncomingMessage & {
  originalUrl?: string;
  /** Kept: a request that was ended has no socket any more. */
  $address?: string | undefined;
  $action?: { name?: string; audited?: boolean };
  /** Of the request as a whole: who is asking is in its `meta`. */
  $ctx?: { meta: Meta };
};

/** How an act ended; its target where that is not the path of the request. */
export type Ended = Pick<AuditRecorded, "outcome" | "reason" | "target">;

/**
 * Records a request's act, where its contract says that it is one. Resolves when it is recorded for good: before that
 * the caller is told nothing. Undefined: there is nothing to record.
 *
 * @throws as a channel's publish
 */
export type RecordAct = (request: Request, ended: Ended) => Promise<void> | undefined;

export const recordActs =
  (broker: TypedBroker): RecordAct =>
  (request, ended) => {
    const { $action: { name, audited } = {}, url = "/", originalUrl = url, headers } = request;
    if (!audited || name === undefined) return undefined;
    const meta = request.$ctx?.meta ?? {};
    const event: AuditRecorded = {
      ...{ tenantId: tenantOf({ meta }), eventId: randomUUID(), at: Date.now() * 1000, action: name },
      ...actorOf(meta),
      target: originalUrl.split("?", 1)[0]?.slice(0, TARGET_CHARS_MAX) ?? "/",
      ...ended,
      requestId: String(headers["x-request-id"]),
      ...(request.$address === undefined ? {} : { address: request.$address }),
    };
    return broker.publish("audit.recorded", event, { key: event.tenantId });
  };

/** A token whose subject is its client acts for nobody else (RFC 9068 §2.2). */
function actorOf({ subject, clientId }: Meta): Pick<AuditRecorded, "actor" | "details"> {
  if (subject === undefined) return { actor: { type: "anonymous" } };
  if (subject === clientId || clientId === undefined) return { actor: { type: "client", id: subject } };
  return { actor: { type: "user", id: subject }, details: { client: clientId } };
}

const TARGET_CHARS_MAX = 1024;
