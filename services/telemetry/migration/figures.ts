import { hash } from "node:crypto";
import { ExactSum } from "../../../lib/migrate/exact-sum.ts";
import type { MetricValue } from "../../../schemas/telemetry.ts";
import type { DeviceKey, StoredReading } from "../reading-store/reading-store.ts";

/** Differences that are named. */
const NAMED_MAX = 100;
const BYTES_OF_CHECK = 6;
const CHECK_MODULUS = 2 ** (8 * BYTES_OF_CHECK);

/** One metric of one device on one side. */
class Figure {
  count = 0;
  min: number | undefined;
  max: number | undefined;
  /** Of the values and the readings they are in, in whatever order. */
  #check = 0;
  readonly #sum = new ExactSum();

  add(ts: number, seq: number, value: MetricValue): void {
    this.count++;
    const digest = hash("sha1", JSON.stringify([ts, seq, value]), "buffer");
    this.#check = (this.#check + digest.readUIntBE(0, BYTES_OF_CHECK)) % CHECK_MODULUS;
    if (typeof value === "string") return;
    const number = Number(value);
    this.min = Math.min(this.min ?? number, number);
    this.max = Math.max(this.max ?? number, number);
    this.#sum.add(number);
  }

  /** What a comparison tells, by name. */
  get told() {
    return {
      count: this.count,
      sum: this.min === undefined ? undefined : this.#sum.value,
      min: this.min,
      max: this.max,
      check: this.#check,
    };
  }
}

/** One side: every metric of every device, by both names. */
export class Figures {
  readings = 0;
  readonly #devices = new Map<string, Map<string, Figure>>();

  add({ tenantId, deviceId, ts, seq, values }: DeviceKey & StoredReading): void {
    this.readings++;
    const device = upsert(this.#devices, `${tenantId}/${deviceId}`, () => new Map<string, Figure>());
    for (const name in values) upsert(device, name, () => new Figure()).add(ts, seq, values[name] as MetricValue);
  }

  get devices(): number {
    return this.#devices.size;
  }

  /** Metrics whose figures differ from those of the other side, each with the first of them that does. */
  differences(there: Figures): string[] {
    const differences: string[] = [];
    for (const device of new Set([...this.#devices.keys(), ...there.#devices.keys()])) {
      const [ours, theirs] = [this.#devices.get(device), there.#devices.get(device)];
      for (const metric of new Set([...(ours?.keys() ?? []), ...(theirs?.keys() ?? [])])) {
        const apart = differenceOf(ours?.get(metric) ?? new Figure(), theirs?.get(metric) ?? new Figure());
        if (apart !== undefined && differences.length < NAMED_MAX)
          differences.push(`readings of ${device}, metric ${JSON.stringify(metric)}: ${apart}`);
      }
    }
    return differences;
  }
}

function differenceOf({ told: here }: Figure, { told: there }: Figure): string | undefined {
  const names = Object.keys(here) as (keyof typeof here)[];
  const name = names.find((one) => !Object.is(here[one], there[one]));
  if (name === undefined) return undefined;
  if (name === "check") return "count, sum and extremes are the same, single values or their times are not";
  return `${name} ${here[name] ?? "none"} here, ${there[name] ?? "none"} there`;
}

function upsert<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
