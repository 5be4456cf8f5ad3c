import { z } from "zod";
import { actionGroup } from "../../../lib/action-group.ts";
import { defineContract } from "../../../lib/contract.ts";
import type { Caller, ConsumerOf, Ctx, Mixin, PublishOptionsOf, TypedBroker } from "../../../lib/service.ts";
import { defineService } from "../../../lib/service.ts";
import { type fact, work } from "../../../schemas/channels.ts";
import { telemetryStore } from "../../../schemas/telemetry.ts";

const thermostat = defineContract({
  name: "thermostat",
  actions: {
    read: {
      summary: "Read",
      params: z.object({ id: z.string(), digits: z.int().default(1) }),
      result: z.object({ celsius: z.number(), note: z.string().optional() }),
    },
    list: { summary: "List", params: z.object({}), result: z.array(z.object({ id: z.string() })) },
  },
});

export async function calls(ctx: Ctx, broker: TypedBroker & Caller) {
  const device = await ctx.call("device-registry.get", { deviceId: "boiler-7" });
  const id: string = device.id;
  // @ts-expect-error unknown action
  await ctx.call("device-registry.gett", { deviceId: "boiler-7" });
  // @ts-expect-error wrong parameter name
  await ctx.call("device-registry.get", { devideId: "boiler-7" });
  // @ts-expect-error not a property of the result
  device.color;
  // @ts-expect-error unknown channel
  await broker.publish("telemetry.recieved", "{}");
  // @ts-expect-error incomplete payload
  await broker.publish("telemetry.received", { tenantId: "x" });
  return id;
}

/** Complete and right: no error. */
export const right = defineService(thermostat, {
  settings: { offset: 0 },
  state: () => ({ reads: 0 }),
  methods: {
    rounded(value: number, digits: number) {
      return Number(value.toFixed(digits));
    },
  },
  actions: {
    async read(ctx) {
      this.reads++;
      ctx.params.digits.toFixed();
      return { celsius: this.rounded(ctx.params.id.length, ctx.params.digits), note: "ok" };
    },
    list: () => [{ id: "a" }],
  },
});

export const missing = defineService(thermostat, {
  // @ts-expect-error "list" is not implemented
  actions: { read: () => ({ celsius: 1 }) },
});

export const unknownAction = defineService(thermostat, {
  actions: {
    read: () => ({ celsius: 1 }),
    list: () => [],
    // @ts-expect-error not an action of the contract
    lst: () => [],
  },
});

export const misspeltParameter = defineService(thermostat, {
  actions: {
    // @ts-expect-error the parameter is `id`
    read: async (ctx) => ({ celsius: ctx.params.idd.length }),
    list: () => [],
  },
});

export const wrongResult = defineService(thermostat, {
  actions: {
    // @ts-expect-error celsius is a number
    read: async () => ({ celsius: "x" }),
    list: () => [],
  },
});

export const misspeltResult = defineService(thermostat, {
  actions: {
    // @ts-expect-error the optional field is `note`
    async read() {
      return { celsius: 1, noet: "x" };
    },
    // @ts-expect-error not a field of the items
    list: () => [{ id: "a", nme: "b" }],
  },
});

const thermostatActions = actionGroup<typeof thermostat, { reads: number }>();
const reading = thermostatActions({
  async read(ctx) {
    this.reads++;
    // @ts-expect-error the service does not have it
    this.writes++;
    // @ts-expect-error the parameter is `id`
    ctx.params.idd;
    return { celsius: ctx.params.id.length };
  },
});
const listing = thermostatActions({ list: () => [{ id: "a" }] });
/** In groups: no error. */
export const grouped = defineService(thermostat, { state: () => ({ reads: 0 }), actions: { ...reading, ...listing } });
export const lackingGroup = defineService(thermostat, {
  state: () => ({ reads: 0 }),
  // @ts-expect-error "list" is not implemented
  actions: { ...reading },
});
export const lackingState = defineService(thermostat, {
  state: () => ({ writes: 0 }),
  // @ts-expect-error the group wants `reads`
  actions: { ...reading, ...listing },
});
export const misgrouped = thermostatActions({
  // @ts-expect-error the optional field is `note`
  async read() {
    return { celsius: 1, noet: "x" };
  },
  // @ts-expect-error not an action of the contract
  lst: () => [],
});

const clock: Mixin<{ now(): Date }> = { methods: { now: () => new Date() } };
export const consumer = defineService(telemetryStore, {
  mixins: [clock],
  actions: {},
  channels: {
    "telemetry.received": {
      group: "audit",
      async handler(ctx) {
        this.logger.info(ctx.params[0]?.deviceId ?? "", this.now());
        // @ts-expect-error not a field of the message
        ctx.params[0]?.devideId;
      },
    },
  },
});

const jobs = work<{ jobId: string }>();
/** A channel of work is consumed one by one, with the number of the delivery. */
export const worker: ConsumerOf<typeof jobs, unknown> = {
  group: "workers",
  maxInFlight: 3,
  async handler(ctx, raw) {
    ctx.params.jobId.trim();
    raw.deliveries.toFixed();
    // @ts-expect-error not a field of the message
    ctx.params.jobbId;
    // @ts-expect-error an item, no batch
    ctx.params[0];
  },
};
export const batching: ConsumerOf<typeof jobs, unknown> = {
  group: "workers",
  // @ts-expect-error work comes one by one
  batch: { size: 5 },
  async handler() {},
};
export const factual: ConsumerOf<ReturnType<typeof fact<{ n: number }>>, unknown> = {
  group: "store",
  batch: { size: 5 },
  async handler(ctx, raw) {
    ctx.params[0]?.n.toFixed();
    raw[0]?.position.toString();
    // @ts-expect-error facts are not counted
    raw[0]?.deliveries;
  },
};
export const delayed: PublishOptionsOf<"work"> = { key: "k", delayMs: 5, ttlMs: 5, expiresAt: 5 };
// @ts-expect-error facts know no delay
export const delayedFact: PublishOptionsOf<"facts"> = { delayMs: 5 };
export const undertaker = defineService(telemetryStore, {
  actions: {},
  channels: {
    "telemetry.received.dead": {
      group: "audit",
      async handler(ctx) {
        const text: string | string[] = ctx.params;
        this.logger.info(String(text.length));
      },
    },
    // @ts-expect-error unknown channel
    "telemetry.recieved.dead": { group: "audit", async handler() {} },
  },
});
