import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { DEFAULT_TENANT } from "../../lib/meta.ts";
import type { TypedBroker } from "../../lib/service.ts";
import type { AuditRecorded } from "../../schemas/audit.ts";

type Request = IncomingMessage & { originalUrl?: string; $action?: { name?: string; audited?: boolean } };

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
    const { $action: { name, audited } = {}, url = "/", originalUrl = url, headers, socket } = request;
    if (!audited || name === undefined) return undefined;
    const event: AuditRecorded = {
      ...{ tenantId: DEFAULT_TENANT, eventId: randomUUID(), at: Date.now() * 1000, action: name },
      actor: { type: "anonymous" },
      target: originalUrl.split("?", 1)[0]?.slice(0, TARGET_CHARS_MAX) ?? "/",
      ...ended,
      requestId: String(headers["x-request-id"]),
      ...(socket.remoteAddress === undefined ? {} : { address: socket.remoteAddress }),
    };
    return broker.publish("audit.recorded", event, { key: event.tenantId });
  };

const TARGET_CHARS_MAX = 1024;
