import { type CallingOptions, type Context, Errors, type Service, type ServiceSchema } from "moleculer";
import type { z } from "zod";
import {
  type ChannelKind,
  type Channels,
  type DeadChannel,
  channels as declared,
  type Payload,
} from "../schemas/channels.ts";
import type { Hints } from "../schemas/hints.ts";
import type { Actions } from "../schemas/index.ts";
import { DEAD, isDeadChannel } from "./channels/dead-cause.ts";
import type { RawMessage, WorkMessage } from "./channels/message.ts";
import type { ActionContract, ServiceContract } from "./contract.ts";
import type { HealthBroker } from "./health.ts";
import type { Meta } from "./meta.ts";
import { openapiOperation } from "./openapi-operation.ts";
import type { TracingBroker } from "./tracing/tracing.ts";

/** Typed replacement for Moleculer's stringly-typed `call`. */
export interface Caller {
  call<K extends keyof Actions>(
    action: K,
    params: z.input<Actions[K]["params"]>,
    opts?: CallingOptions,
  ): Promise<z.output<Actions[K]["result"]>>;
}

/** The broker members services use, with channel payloads typed. */
export interface TypedBroker
  extends Caller,
    Partial<HealthBroker>,
    TracingBroker,
    Pick<Service["broker"], "metrics" | "logger" | "nodeID" | "namespace"> {
  /**
   * Resolves when the channel holds the message durably.
   * With `raw` the payload is its JSON text already (hot path).
   */
  publish<K extends keyof Channels>(
    channel: K,
    payload: Payload<K> | string,
    opts?: PublishOptionsOf<Channels[K]["kind"]>,
  ): Promise<void>;
  /** Tells every node at once; whoever is away misses it. */
  broadcast<K extends keyof Hints>(hint: K, payload: Hints[K]): Promise<void>;
}

export interface PublishOptions {
  /** Messages with one key keep their order. */
  key?: string;
  ctx?: object;
  headers?: Record<string, string>;
  /** The payload is serialised already. */
  raw?: boolean;
}

/** Of an item of a work channel. */
export interface WorkPublishOptions extends PublishOptions {
  /** How long the item may wait for its delivery, milliseconds; then it is a dead letter with cause `expired`. */
  ttlMs?: number;
  /** Until when the item may be delivered, milliseconds since 1970; of the two limits the earlier one holds. */
  expiresAt?: number;
  /** Not to be delivered before so many milliseconds are over. */
  delayMs?: number;
}

export type PublishOptionsOf<Kind extends ChannelKind> = Kind extends "work" ? WorkPublishOptions : PublishOptions;

/** Context whose `params` are already parsed and whose `call` knows every contract. */
export interface Ctx<Params = unknown> extends Omit<Context<Params, Meta>, "call" | "broker">, Caller {
  broker: TypedBroker;
}

/** A mixin that declares the members it adds to `this`. */
export type Mixin<Members = unknown> = Partial<ServiceSchema> & { readonly members?: Members };
type MembersOf<M extends readonly Mixin[]> = M extends readonly [
  Mixin<infer Head>,
  ...infer Tail extends readonly Mixin[],
]
  ? Head & MembersOf<Tail>
  : unknown;

type This<Settings, Methods, State, M extends readonly Mixin[]> = Omit<Service, "broker" | "settings"> &
  Methods &
  State &
  MembersOf<M> & { broker: TypedBroker; settings: Settings };

type ActionHandler<A extends ActionContract, T> = (
  this: T,
  ctx: Ctx<z.output<A["params"]>>,
) => z.input<A["result"]> | Promise<z.input<A["result"]>>;

export type Handlers<C extends ServiceContract, T> = {
  [K in keyof C["actions"]]: ActionHandler<C["actions"][K], T>;
};

/** Field names of a result; of a union those of every member. */
type FieldsOf<T> = T extends readonly (infer Item)[] ? FieldsOf<Item> : T extends object ? keyof T : never;

/** Makes a handler whose result has a field that the contract lacks incompatible, naming the field. */
export type NoUnknownFields<C extends ServiceContract, H> = {
  [K in keyof H]: H[K] extends (...args: never[]) => infer R
    ? K extends keyof C["actions"]
      ? [Exclude<FieldsOf<Awaited<R>>, FieldsOf<z.input<C["actions"][K]["result"]>>>] extends [never]
        ? unknown
        : {
            "not in the contract's result": Exclude<FieldsOf<Awaited<R>>, FieldsOf<z.input<C["actions"][K]["result"]>>>;
          }
      : { "not an action of the contract": K }
    : unknown;
};

/** A consumer of facts takes messages in batches, in order; it is idempotent, because a batch may come again. */
interface FactsConsumer<P, T> {
  /** Consumer group: each group receives every message. */
  group: string;
  /** Attempts in place before the poison of a batch is isolated. */
  maxRetries?: number;
  /** Messages of one call and one commit at most; left out: the configured size. */
  batch?: { size?: number };
  handler(this: T, ctx: Ctx<P[]>, raw: RawMessage[]): Promise<void>;
}

/** A consumer of work takes one item per call; it is idempotent, because an item may come again. */
interface WorkConsumer<P, T> {
  /** The one group that does this work. */
  group: string;
  /** Deliveries after the first, before the item is put aside; left out: as configured. */
  maxRetries?: number;
  /** Items in work at once, in each process; left out: as configured. */
  maxInFlight?: number;
  handler(this: T, ctx: Ctx<P>, raw: WorkMessage): Promise<void>;
}

/** How a service consumes a channel, by what the channel was declared as. */
export type ConsumerOf<Declaration extends { kind: ChannelKind; payload: unknown }, T> = Declaration extends {
  kind: "work";
}
  ? WorkConsumer<Declaration["payload"], T>
  : FactsConsumer<Declaration["payload"], T>;

/** A consumer of dead letters takes them as text: batches of facts, work one by one. */
export interface DeadLetterConsumer<T> {
  group: string;
  /** Of a channel that is not declared in schemas/channels.ts. */
  kind?: ChannelKind;
  handler(this: T, ctx: Ctx<string | string[]>, raw: RawMessage | RawMessage[]): Promise<void>;
}

interface Implementation<C extends ServiceContract, Settings, Methods, State, M extends readonly Mixin[], H, T> {
  mixins?: readonly [...M];
  dependencies?: string[];
  /** Defaults; the configuration's values for this service are laid over them. */
  settings?: Settings;
  /** Mutable fields of the actor, created fresh for each instance. */
  state?: () => State;
  /** A method that uses `this` annotates it where TypeScript can't infer it; rules belong into pure modules. */
  methods?: Methods & ThisType<T>;
  actions: H & NoUnknownFields<C, H>;
  channels?: { [K in keyof Channels]?: ConsumerOf<Channels[K], T> } & { [K in DeadChannel]?: DeadLetterConsumer<T> };
  /** What other services broadcast; a hint may be lost. */
  hints?: { [K in keyof Hints]?: (this: T, payload: Hints[K]) => Promise<void> | void };
  started?(this: T): Promise<void> | void;
  /** Every service has started and the channels are connected: here the outside is let in. */
  opened?(this: T): Promise<void> | void;
  stopped?(this: T): Promise<void> | void;
}

/** Binds a contract to its implementation; a missing or misspelt action or field is a compile error. */
export function defineService<
  const C extends ServiceContract,
  H extends Handlers<C, This<Settings, Methods, State, M>>,
  Settings extends object = object,
  Methods = unknown,
  State extends object = object,
  M extends readonly Mixin[] = [],
>(
  contract: C,
  implementation: Implementation<C, Settings, Methods, State, M, H, This<Settings, Methods, State, M>>,
): ServiceSchema {
  const { actions, state, channels, hints, ...schema } = implementation;
  // Casts, here only: Moleculer's schema type cannot express a contract.
  const handlers = actions as unknown as Record<string, AnyHandler>;
  const consumers = (channels ?? {}) as unknown as Record<string, AnyConsumer>;
  const hinted = (hints ?? {}) as unknown as Record<string, (this: unknown, payload: unknown) => unknown>;
  return {
    ...schema,
    name: contract.name,
    facts: consumersOf("facts", consumers),
    work: consumersOf("work", consumers),
    events: mapValues(hinted, (handler) => ({
      handler(this: unknown, ctx: Context) {
        return handler.call(this, ctx.params);
      },
    })),
    actions: mapValues(contract.actions, (action, name) => ({
      rest: action.rest,
      scope: action.scope,
      status: action.status,
      audited: action.audited,
      lines: action.lines !== undefined,
      streams: action.streams,
      openapi: openapiOperation(contract.name, name, action),
      visibility: action.rest || action.endpoint ? "published" : "public",
      handler: parsing(action.params, handlers[name] as AnyHandler),
    })),
    created(this: object) {
      Object.assign(this, state?.());
    },
  } as unknown as ServiceSchema;
}

/** The consumers of one kind of channel, under the schema property that its middleware reads. */
function consumersOf(wanted: ChannelKind, consumers: Record<string, AnyConsumer>): Record<string, object> {
  const mine = Object.entries(consumers).filter(([name, consumer]) => kindOf(name, consumer) === wanted);
  return Object.fromEntries(
    mine.map(([name, { kind: _, ...consumer }]) => [
      name,
      { ...(wanted === "facts" ? { batch: {} } : {}), ...consumer, text: isDeadChannel(name), context: true },
    ]),
  );
}

/** Dead letters travel as the channel does that they come from. */
const kindOf = (name: string, { kind }: AnyConsumer): ChannelKind =>
  kind ?? declared[(isDeadChannel(name) ? name.slice(0, -DEAD.length) : name) as keyof Channels].kind;

interface AnyConsumer {
  handler: AnyHandler;
  kind?: ChannelKind;
}
type AnyHandler = (this: unknown, ctx: Context<unknown>) => unknown;

/**
 * Parses `ctx.params` before the handler runs. The Zod object stays in this closure: Moleculer clones every
 * schema and broadcasts it in INFO packets, where a validator instance does not belong.
 */
function parsing(params: z.ZodType, handler: AnyHandler): AnyHandler {
  return function (ctx) {
    const parsed = params.safeParse(ctx.params ?? {});
    if (!parsed.success)
      throw new Errors.ValidationError("Invalid parameters.", "VALIDATION_ERROR", parsed.error.issues.map(issueOf));
    ctx.params = parsed.data;
    return handler.call(this, ctx);
  };
}

/** What a caller may know of a refused parameter: where and why, never the value. */
export const issueOf = (issue: z.core.$ZodIssue) => ({
  field: issue.path.join(".") || (issue.code === "unrecognized_keys" ? issue.keys.join(", ") : ""),
  message: issue.message,
});

const mapValues = <V, W>(source: Record<string, V>, map: (value: V, key: string) => W): Record<string, W> =>
  Object.fromEntries(Object.entries(source).map(([key, value]) => [key, map(value, key)]));
