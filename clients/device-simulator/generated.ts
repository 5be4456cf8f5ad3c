import type { Message } from "./message.ts";
import { random } from "./random.ts";

export interface GeneratedOptions {
  devices: number;
  /** Messages per second, of all devices. */
  rate: number;
  metrics: number;
  seed: number;
  prefix: string;
  count?: number | undefined;
  durationSeconds?: number | undefined;
}

interface Metric {
  name: string;
  low: number;
  high: number;
  step: number;
}

const NAMED: Metric[] = [
  { name: "temperature", low: -10, high: 40, step: 0.2 },
  { name: "humidity", low: 20, high: 95, step: 0.5 },
  { name: "pressure", low: 970, high: 1040, step: 0.3 },
];
const metric = (index: number): Metric => NAMED[index] ?? { name: `metric-${index + 1}`, low: 0, high: 100, step: 1 };

export const deviceIds = ({ devices, prefix }: Pick<GeneratedOptions, "devices" | "prefix">): string[] =>
  Array.from({ length: devices }, (_, index) => `${prefix}${index + 1}`);

/** Sets the devices' sequences of numbers apart; any odd constant would do. */
const SEED_STEP = 0x9e3779b1;

/**
 * Measurements that wander within each metric's range, the devices taking turns. Ids, values and order depend on the
 * seed only; the time of a message is when it is due, so that a device whose messages wait still tells when it measured.
 *
 * @param startMs - time of the first message, milliseconds since 1970
 */
export function* generatedMessages(options: GeneratedOptions, startMs = Date.now()): Generator<Message> {
  const { devices, rate, count = Number.POSITIVE_INFINITY, durationSeconds = Number.POSITIVE_INFINITY } = options;
  const metrics = Array.from({ length: options.metrics }, (_, index) => metric(index));
  const simulated = deviceIds(options).map((id, index) => {
    const next = random(options.seed + Math.imul(index + 1, SEED_STEP));
    const levels = metrics.map(({ low, high }) => low + next() * (high - low));
    return { id, next, levels };
  });
  const end = Math.min(count, Math.round(durationSeconds * rate));
  for (let n = 0; n < end; n++) {
    const device = simulated[n % devices] as (typeof simulated)[number];
    const values: Message["values"] = {};
    for (const [index, { name, low, high, step }] of metrics.entries()) {
      const wandered = (device.levels[index] as number) + (device.next() * 2 - 1) * step;
      const level = Math.min(high, Math.max(low, wandered));
      device.levels[index] = level;
      values[name] = Number(level.toFixed(2));
    }
    const dueMs = (n * 1000) / rate;
    // Seconds with microseconds: at a thousand messages a second of one device milliseconds would repeat.
    yield { deviceId: device.id, ts: Math.round((startMs + dueMs) * 1000) / 1e6, values, dueMs };
  }
}
