import type { Model } from "mongoose";
import type { AuditRecorded } from "../../schemas/audit.ts";
import type { AuditEventDocument } from "./audit-event.model.ts";
import { brokenLink, EMPTY, type Head, linked } from "./chain.ts";

/** Events of one read. */
const CHUNK = 500;

export interface AuditQuery {
  action?: string | undefined;
  actorId?: string | undefined;
  target?: string | undefined;
  outcome?: string | undefined;
  /** Microseconds since 1970, included. */
  from?: number | undefined;
  /** Excluded. */
  to?: number | undefined;
}

/** The chains of all tenants. Nothing in it changes or deletes an event. */
export class AuditLog {
  readonly #events: Model<AuditEventDocument>;

  constructor(events: Model<AuditEventDocument>) {
    this.#events = events;
  }

  async head(tenantId: string): Promise<Head> {
    const [last] = await this.#events.find({ tenantId }).sort({ seq: -1 }).limit(1).lean();
    return last ? { seq: last.seq, hash: last.hash } : EMPTY;
  }

  /**
   * Appends events to their tenants' chains, in their order; those that are there already stay where they are.
   *
   * @throws a duplicate key where another process appended meanwhile: then it has to be tried again.
   */
  async append(batch: readonly AuditRecorded[]): Promise<void> {
    for (const [tenantId, events] of Map.groupBy(batch, (event) => event.tenantId)) {
      const there = await this.#events
        .find({ tenantId, eventId: { $in: events.map(({ eventId }) => eventId) } }, { eventId: 1 })
        .lean();
      const known = new Set(there.map(({ eventId }) => eventId));
      let head = await this.head(tenantId);
      const documents: AuditEventDocument[] = [];
      for (const event of events) {
        if (known.has(event.eventId)) continue;
        known.add(event.eventId);
        const document = linked(event, head);
        documents.push(document);
        head = document;
      }
      // In order: what is cut off leaves no gap.
      if (documents.length > 0) await this.#events.insertMany(documents, { ordered: true });
    }
  }

  /** The latest first; one more than `limit` where there are more. @param before place that the page begins behind */
  latest(
    tenantId: string,
    { from, to, ...equal }: AuditQuery,
    before: number | undefined,
    limit: number,
  ): Promise<AuditEventDocument[]> {
    const wanted = Object.fromEntries(Object.entries(equal).filter(([, value]) => value !== undefined));
    const range = { ...(from === undefined ? {} : { $gte: from }), ...(to === undefined ? {} : { $lt: to }) };
    return this.#events
      .find({
        tenantId,
        ...wanted,
        ...(Object.keys(range).length === 0 ? {} : { at: range }),
        ...(before === undefined ? {} : { seq: { $lt: before } }),
      })
      .sort({ seq: -1 })
      .limit(limit + 1)
      .lean<AuditEventDocument[]>()
      .exec();
  }

  async tenants(): Promise<string[]> {
    return (await this.#events.distinct("tenantId")).sort();
  }

  async hashAt(tenantId: string, seq: number): Promise<string | undefined> {
    return (await this.#events.findOne({ tenantId, seq }).lean())?.hash;
  }

  /** Reads a whole chain. Gives its end, or where and how it is broken. */
  async verify(tenantId: string): Promise<Head & { broken?: string }> {
    for (let head = EMPTY; ; ) {
      const chunk = await this.#events
        .find({ tenantId, seq: { $gt: head.seq } })
        .sort({ seq: 1 })
        .limit(CHUNK)
        .lean<AuditEventDocument[]>();
      if (chunk.length === 0) return head;
      for (const event of chunk) {
        const broken = brokenLink(event, head);
        if (broken !== undefined) return { ...head, broken };
        head = { seq: event.seq, hash: event.hash };
      }
    }
  }
}
