import { isDeepStrictEqual } from "node:util";
import { compileTelemetrySchema, type ValuesCheck } from "../telemetry-schema.ts";
import type { TelemetryItem } from "./item.ts";

/** Asks the registry for a device type's schema; null = readings may be anything. */
export type FetchSchema = (tenantId: string, typeId: string) => Promise<{ schema: Record<string, unknown> } | null>;

/** Types that are kept; of those beyond, the oldest are asked for again when a device of theirs connects. */
const TYPES_MAX = 10_000;

/** The schema of one device type, as new as the last answer of the registry. Every connection of such a device holds it. */
export class TypeSchema {
  readonly #fetch: () => ReturnType<FetchSchema>;
  readonly #refreshMicros: number;
  readonly #now: () => number;
  #schema: Record<string, unknown> | undefined;
  #check: ValuesCheck | undefined;
  /** When it is to be asked for again, microseconds since 1970. */
  #dueAt = 0;
  #asked = 0;
  /** Number of the answer in force: an older one that comes late changes nothing. */
  #answered = 0;

  /** @param now microseconds since 1970. */
  constructor(fetch: () => ReturnType<FetchSchema>, refreshSeconds: number, now: () => number) {
    this.#fetch = fetch;
    this.#refreshMicros = refreshSeconds * 1_000_000;
    this.#now = now;
  }

  /** Resolves when the registry's answer is here and not too old. @throws what the registry does. */
  async fresh(): Promise<this> {
    if (this.#now() >= this.#dueAt) await this.refresh();
    return this;
  }

  /** Takes the registry's answer; until then, and where it gives none, the former stays in force. */
  async refresh(): Promise<void> {
    const number = ++this.#asked;
    const schema = (await this.#fetch())?.schema;
    const same = isDeepStrictEqual(schema, this.#schema);
    const check = same ? this.#check : schema && (await compileTelemetrySchema(schema));
    if (number < this.#answered) return;
    this.#answered = number;
    this.#schema = schema;
    this.#check = check;
    this.#dueAt = this.#now() + this.#refreshMicros;
  }

  /** Why a message is refused, naming the item and the metric. Called per message. */
  refusal(items: readonly TelemetryItem[], now: number): string | undefined {
    if (now >= this.#dueAt) {
      // Of one message only; a registry that is away is asked again as late as one that answers.
      this.#dueAt = now + this.#refreshMicros;
      this.refresh().catch(() => {});
    }
    const check = this.#check;
    if (!check) return undefined;
    for (let place = 0; place < items.length; place++) {
      const reason = check((items[place] as TelemetryItem).values);
      if (reason !== undefined) return items.length === 1 ? reason : `[${place}].${reason}`;
    }
    return undefined;
  }
}

/** The schemas of device types in use, one for each (tenant, type). */
export class TypeSchemas {
  readonly #fetch: FetchSchema;
  readonly #refreshSeconds: number;
  readonly #now: () => number;
  readonly #types = new Map<string, TypeSchema>();

  constructor(fetch: FetchSchema, refreshSeconds = 60, now = () => Date.now() * 1000) {
    this.#fetch = fetch;
    this.#refreshSeconds = refreshSeconds;
    this.#now = now;
  }

  /** The type's schema, as a device that connects now is to have it. @throws what the registry does. */
  of(tenantId: string, typeId: string): Promise<TypeSchema> {
    const key = keyOf(tenantId, typeId);
    let type = this.#types.get(key);
    if (!type) {
      type = new TypeSchema(() => this.#fetch(tenantId, typeId), this.#refreshSeconds, this.#now);
      this.#types.set(key, type);
      if (this.#types.size > TYPES_MAX) this.#types.delete(this.#types.keys().next().value as string);
    }
    return type.fresh();
  }

  /** The type is said to have changed. */
  async changed(tenantId: string, typeId: string): Promise<void> {
    // Where the registry does not answer, the bounded time does it.
    await this.#types
      .get(keyOf(tenantId, typeId))
      ?.refresh()
      .catch(() => {});
  }
}

const keyOf = (tenantId: string, typeId: string): string => `${tenantId}/${typeId}`;
