import { setTimeout as sleep } from "node:timers/promises";
import channels from "@moleculer/channels";
import type { BackOffOptions } from "./back-off.ts";
import type { DeadCause } from "./dead-cause.ts";
import type { FactsAdmin } from "./facts-admin.ts";
import type { Publication, RawMessage, WorkOptions } from "./message.ts";
import { REDRIVE_GROUP } from "./redrive.ts";
import type { WorkAdmin } from "./work-admin.ts";

/** One entry of a service's channels as the middleware hands it over; keys of our own (`batch`) survive. */
export interface Channel {
  /** Unique per node, service and channel. */
  id: string;
  /** With the adapter's prefix. */
  name: string;
  group: string;
  unsubscribing: boolean;
  maxRetries?: number | null;
  /** Given: the handler takes arrays of `size` messages at most. */
  batch?: { size?: number };
  /** Work channels: items in work at once. */
  maxInFlight?: number | null;
  /** The handler takes payloads as the JSON text they are; what is not JSON reaches it, too. */
  text?: boolean;
  /** Where a group begins that has never consumed the channel. @default "beginning" */
  startFrom?: "beginning" | "end";
  handler(payload: unknown, raw: unknown): Promise<unknown>;
}

export interface AdapterOptions extends BackOffOptions {
  /** Put before every channel name. @default the broker's namespace */
  prefix?: string;
  /** Retries in place before a poison message is isolated. @default 3 */
  maxRetries?: number;
  /** Messages of one batch, where the consumer does not say. @default 500 */
  batchSize?: number;
  /** How long a stop waits for handlers that run, milliseconds. @default 4000 */
  stopTimeoutMs?: number;
}

type Log = Record<"debug" | "info" | "warn" | "error", (message: string, fields?: object) => void>;

interface Base {
  opts: AdapterOptions;
  broker: { nodeID: string };
  logger: Log;
  connected: boolean;
  /** Ids in work per channel id: one per batch, because the base class searches an array. */
  activeMessages: Map<string, (string | number)[]>;
  init(broker: object, logger: Log): void;
  addPrefixTopic(name: string): string;
  metricsIncrement(name: string, chan: { name: string; group?: string | undefined }): void;
  initChannelActiveMessages(channelId: string, throwIfTracked?: boolean): void;
  stopChannelActiveMessages(channelId: string): void;
  addChannelActiveMessages(channelId: string, ids: (string | number)[]): void;
  removeChannelActiveMessages(channelId: string, ids: (string | number)[]): void;
}

// The package's own types hang on Moleculer 0.14's; this view names what we use of its base class.
const { Base } = channels.Adapters as unknown as { Base: new (options: object) => Base };

export const METRIC_ERRORS = "moleculer.channels.messages.errors.total";
export const METRIC_RETRIES = "moleculer.channels.messages.retries.total";
export const METRIC_DEAD = "moleculer.channels.messages.deadLettering.total";

/** Characters of an error's message that a dead letter keeps. */
const CAUSE_CHARS_MAX = 500;

/** Base of every channel adapter: what does not depend on the engine. */
export abstract class ChannelAdapter extends Base {
  /** Awaited by the middleware after all services have started: a service cannot publish from `started`. */
  abstract connect(): Promise<void>;
  /** Told before the services stop: what an engine that is away does not take soon is given up, so that none waits. */
  stopping?(): void;
  /** Ends within a bound, whatever the engine's state. */
  abstract disconnect(): Promise<void>;
  abstract subscribe(chan: Channel): Promise<void>;
  /** Lets the batch that runs finish, within a bound. */
  abstract unsubscribe(chan: Channel): Promise<void>;
  /** Why nothing can be published at present; undefined where it can. */
  abstract readonly trouble: string | undefined;
  /** Resolves when the message is durable. `name` is with prefix. */
  abstract publish(name: string, payload: unknown, options?: WorkOptions): Promise<void>;
  /** Publishes many with one promise. After a rejection some may be stored. */
  abstract publishMany(name: string, items: readonly Publication[]): Promise<void>;

  /** The middleware leaves these defaults to the adapter. @throws RangeError naming the field that is wrong. */
  protected withDefaults(chan: Channel): Channel & { maxRetries: number } {
    const maxRetries = chan.maxRetries ?? this.opts.maxRetries ?? 3;
    const refuse = (field: string, rule: string) => {
      throw new RangeError(`consumer ${chan.group} of ${chan.name}: ${field} must be ${rule}`);
    };
    if (!Number.isSafeInteger(maxRetries) || maxRetries < 0) refuse("maxRetries", "an integer from 0");
    const size = chan.batch?.size ?? 1;
    if (!Number.isSafeInteger(size) || size < 1) refuse("batch.size", "an integer from 1");
    if (!["beginning", "end"].includes(chan.startFrom ?? "beginning")) refuse("startFrom", '"beginning" or "end"');
    return Object.assign(chan, { maxRetries });
  }

  /** The channel's name as services say it. */
  protected withoutPrefix(name: string): string {
    const prefix = this.addPrefixTopic("x").slice(0, -1);
    return name.startsWith(prefix) ? name.slice(prefix.length) : name;
  }

  /** Headers of a dead letter: the message's own, why and where it failed, and what re-driving it needs. */
  protected deadLetterHeaders(
    { name: channel, group }: { name: string; group?: string | undefined },
    raw: RawMessage,
    cause: DeadCause,
    error: unknown,
    attempts: number,
  ): Record<string, string> {
    const { message, type, name, code } = (error ?? {}) as { [K in "message" | "type" | "name" | "code"]?: unknown };
    // Its next reader is another group.
    const { [REDRIVE_GROUP]: _, ...own } = raw.headers;
    return {
      ...own,
      "x-original-channel": this.withoutPrefix(channel),
      ...(group === undefined ? {} : { "x-original-group": group }),
      "x-original-position": String(raw.position),
      "x-original-timestamp": new Date(raw.timestamp).toISOString(),
      "x-dead-cause": cause,
      "x-error-message": String(message ?? error).slice(0, CAUSE_CHARS_MAX),
      "x-error-type": String(type ?? name ?? "Error"),
      ...(code === undefined ? {} : { "x-error-code": String(code) }),
      "x-attempts": String(attempts),
      "x-dead-at": new Date().toISOString(),
    };
  }

  /** Waits for work that may never end; false when the time was up. */
  protected async withinStopTimeout(work: Promise<unknown>): Promise<boolean> {
    const ended = new AbortController();
    const late = sleep(this.opts.stopTimeoutMs ?? 4000, false, { signal: ended.signal }).catch(() => false);
    const inTime = await Promise.race([work.then(() => true), late]);
    ended.abort();
    return inTime;
  }

  /**
   * Headers from which the middleware makes `ctx`. A batch has many senders: it is traced to the first message's, but
   * takes nobody's `meta`, because that names a tenant.
   */
  parseMessageHeaders(raw: RawMessage | RawMessage[]): Record<string, string> | null {
    if (!Array.isArray(raw)) return raw.headers;
    const { $meta: _meta, $headers: _headers, ...headers } = raw[0]?.headers ?? {};
    return headers;
  }
}

/** An adapter for channels of kind `facts`. */
export type FactsAdapter = ChannelAdapter & FactsAdmin;

/** An adapter for channels of kind `work`. */
export type WorkAdapter = ChannelAdapter & WorkAdmin;
