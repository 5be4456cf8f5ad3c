import type { DeviceKey, EdgePolicy, Recognised } from "../edge-policy.ts";

/** A device that messages came from. */
export interface KnownDevice {
  /** The very object that the policy gave. */
  readonly device: DeviceKey;
  recognised: Recognised | undefined;
  /** When the registry is to be asked again, milliseconds by a monotonic clock. */
  dueAt: number;
  asking: Promise<void> | undefined;
}

/** Devices that are kept; of those beyond, the ones that were known first are asked for again. */
const DEVICES_MAX = 100_000;
const RETRY_MS = 1000;

/** What the registry says of the devices whose messages the broker brings, not older than it may be. */
export class KnownDevices {
  readonly #policy: Pick<EdgePolicy, "identify" | "recognise">;
  readonly #refreshMs: number;
  readonly #devices = new Map<string, KnownDevice>();

  constructor(policy: Pick<EdgePolicy, "identify" | "recognise">, refreshMs: number) {
    this.#policy = policy;
    this.#refreshMs = refreshMs;
  }

  /** Undefined where no device can have these ids. */
  find(tenantId: string, deviceId: string): KnownDevice | undefined {
    const key = `${tenantId}/${deviceId}`;
    const known = this.#devices.get(key);
    if (known) return known;
    const device = this.#policy.identify({ username: key, clientId: key });
    if (!device) return undefined;
    const entry: KnownDevice = { device, recognised: undefined, dueAt: 0, asking: undefined };
    this.#devices.set(key, entry);
    if (this.#devices.size > DEVICES_MAX) this.#devices.delete(this.#devices.keys().next().value as string);
    return entry;
  }

  /** What was last learned; it is learned anew beside that where it is old. Undefined: it has to be waited for. */
  of(known: KnownDevice): Recognised | undefined {
    if (known.recognised && performance.now() >= known.dueAt) this.learn(known).catch(() => {});
    return known.recognised;
  }

  /** @throws where the registry does not answer */
  learn(known: KnownDevice): Promise<void> {
    known.asking ??= this.#ask(known).finally(() => {
      known.asking = undefined;
    });
    return known.asking;
  }

  /** What is known of it is known no more. */
  forget({ tenantId, deviceId }: DeviceKey): void {
    this.#devices.delete(`${tenantId}/${deviceId}`);
  }

  /** @throws where the registry does not answer */
  async isUnknown({ tenantId, deviceId }: DeviceKey): Promise<boolean> {
    const known = this.find(tenantId, deviceId);
    if (!known) return false;
    await this.learn(known);
    return known.recognised?.unknown === true;
  }

  async #ask(known: KnownDevice): Promise<void> {
    known.dueAt = performance.now() + Math.min(RETRY_MS, this.#refreshMs);
    known.recognised = await this.#policy.recognise(known.device);
    known.dueAt = performance.now() + this.#refreshMs;
  }
}
