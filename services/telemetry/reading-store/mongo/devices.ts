import { EngineUnavailableError } from "../../../../lib/channels/errors.ts";
import type { TelemetryReading, TelemetryReceived } from "../../../../schemas/telemetry.ts";
import type { DeviceKey, RefusedReading } from "../reading-store.ts";
import { RecentMap } from "../sqlite/recent-map.ts";
import type { DeviceDocument, Devices } from "./device-metrics.ts";
import type { Arrived } from "./first-arrivals.ts";
import { deviceId } from "./key.ts";

/** Attempts to add metrics; each that fails means that another process has added some. */
const ROUNDS_MAX = 50;
const DUPLICATE_KEY = 11_000;

/** Slots are given once and never change, so that a known one is never wrong; there may be more by now. */
export type Slots = ReadonlyMap<string, number>;

export interface Assigned {
  /** By `keyOf`; every device of the batch, every metric of what is not refused. */
  slots: ReadonlyMap<string, Slots>;
  refused: RefusedReading[];
}

interface Addition {
  device: DeviceKey;
  /** Undefined: the device itself is new. */
  known: number | undefined;
  names: string[];
}

export const keyOf = ({ tenantId, deviceId }: DeviceKey): string => `${tenantId}/${deviceId}`;

/** Which metrics a device has, and in which slots; the documents are the truth, and what was read of them is kept. */
export class DeviceSlots {
  readonly #devices: Devices;
  readonly #metricsMax: number;
  readonly #known: RecentMap<Slots>;

  constructor(devices: Devices, options: { metricsPerDeviceMax: number; cachedDevicesMax: number }) {
    this.#devices = devices;
    this.#metricsMax = options.metricsPerDeviceMax;
    this.#known = new RecentMap(options.cachedDevicesMax);
  }

  /** Gives every device and metric of the batch its place, durably, and hands back readings with a metric too many. */
  async assign(batch: readonly TelemetryReceived[], arrived: readonly Arrived[]): Promise<Assigned> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const known = await this.#knownOf(batch);
      const { slots, refused, additions } = plan(batch, arrived, known, this.#metricsMax);
      if (additions.length === 0) return { slots, refused };
      const added = await this.#add(additions);
      for (const { device } of additions) {
        const key = keyOf(device);
        const now = slots.get(key);
        if (added && now) this.#known.set(key, now);
        else this.#known.delete(key);
      }
      if (added) return { slots, refused };
    }
    throw new EngineUnavailableError("The reading store is busy: others add metrics to the same devices.");
  }

  async #knownOf(batch: readonly TelemetryReceived[]): Promise<Map<string, Slots>> {
    const known = new Map<string, Slots>();
    const unknown = new Map<string, DeviceKey>();
    for (const message of batch) {
      const key = keyOf(message);
      if (known.has(key) || unknown.has(key)) continue;
      const slots = this.#known.get(key);
      if (slots) known.set(key, slots);
      else unknown.set(key, message);
    }
    if (unknown.size === 0) return known;
    for (const { _id, metrics } of await this.#devices
      .find({ _id: { $in: [...unknown.values()].map(deviceId) } })
      .toArray()) {
      const key = keyOf({ tenantId: _id.t, deviceId: _id.d });
      const slots = new Map(metrics.map((name, slot) => [name, slot]));
      this.#known.set(key, slots);
      known.set(key, slots);
    }
    return known;
  }

  /** Whether all additions were made to what was known; else some, or none. */
  async #add(additions: readonly Addition[]): Promise<boolean> {
    const operations = additions.map(({ device, known, names }) =>
      known === undefined
        ? {
            insertOne: {
              document: { _id: deviceId(device), n: names.length, metrics: names } satisfies DeviceDocument,
            },
          }
        : {
            updateOne: {
              filter: { _id: deviceId(device), n: known },
              update: { $push: { metrics: { $each: names } }, $inc: { n: names.length } },
            },
          },
    );
    try {
      const { insertedCount, matchedCount } = await this.#devices.bulkWrite(operations, { ordered: false });
      return insertedCount + matchedCount === additions.length;
    } catch (error) {
      const { writeErrors } = error as { writeErrors?: { code: number }[] };
      if (writeErrors?.length && writeErrors.every(({ code }) => code === DUPLICATE_KEY)) return false;
      throw error;
    }
  }
}

/** What the batch adds to the devices as they are known. A reading with a metric too many is left out whole. */
function plan(
  batch: readonly DeviceKey[],
  arrived: readonly Arrived[],
  known: ReadonlyMap<string, Slots>,
  metricsMax: number,
) {
  const slots = new Map<string, Slots>();
  const additions = new Map<string, Addition>();
  const refused: RefusedReading[] = [];
  for (const device of batch) {
    const key = keyOf(device);
    if (!known.has(key)) additions.set(key, { device, known: undefined, names: [] });
    slots.set(key, known.get(key) ?? new Map());
  }
  for (const { message, reading } of arrived) {
    const key = keyOf(message);
    const mine = slots.get(key) as Slots;
    const names = unknownNames(reading, mine);
    const tooMany = names[metricsMax - mine.size];
    if (tooMany !== undefined) refused.push({ message, reading, reason: reasonOf(tooMany, metricsMax) });
    else if (names.length > 0) {
      const addition = additions.get(key) ?? { device: message, known: mine.size, names: [] };
      additions.set(key, addition);
      addition.names.push(...names);
      slots.set(key, new Map([...mine, ...names.map((name, index): [string, number] => [name, mine.size + index])]));
    }
  }
  return { slots, refused, additions: [...additions.values()] };
}

function unknownNames({ values }: TelemetryReading, slots: Slots): string[] {
  const names: string[] = [];
  for (const given in values) {
    const name = slots.has(given) ? given : given.toWellFormed();
    if (!slots.has(name) && !names.includes(name)) names.push(name);
  }
  return names;
}

const reasonOf = (metric: string, metricsMax: number) =>
  `metric ${JSON.stringify(metric)} is one more than the ${metricsMax} that a device may have`;
