import { setTimeout as sleep } from "node:timers/promises";
import type { DeviceKey } from "./edge/edge-policy.ts";

/** A device's configuration as the registry has it. */
export interface ConfigVersion {
  version: number;
  config: Record<string, unknown>;
}

export interface ConfigParts {
  /** Asks the registry; null where the device has none. */
  fetch(device: DeviceKey): Promise<ConfigVersion | null>;
  /** To all sessions of the device that are subscribed. */
  deliver(device: DeviceKey, payload: Buffer): Promise<void>;
  failed(device: DeviceKey, error: unknown): void;
}

/** Waits between attempts to ask the registry. */
const RETRY_MS = [200, 1000, 5000];

/**
 * Brings devices their configuration: the current one to a new subscription, a new one to all. One after the other per
 * device, so that an older version never comes after a newer one.
 */
export class DeviceConfigs {
  readonly #parts: ConfigParts;
  readonly #running = new Map<string, Promise<unknown>>();

  constructor(parts: ConfigParts) {
    this.#parts = parts;
  }

  /** What a new subscription begins with. */
  current(device: DeviceKey): Promise<Buffer | undefined> {
    return this.#inOrder(device, () => this.#payload(device));
  }

  /** The registry has a new version. */
  changed(device: DeviceKey): Promise<void> {
    return this.bring(device).catch((error) => this.#parts.failed(device, error));
  }

  /** Brings the device what it has. @throws where it could not be handed over */
  bring(device: DeviceKey): Promise<void> {
    return this.#inOrder(device, async () => {
      const payload = await this.#payload(device);
      if (payload) await this.#parts.deliver(device, payload);
    });
  }

  async #payload(device: DeviceKey): Promise<Buffer | undefined> {
    for (let attempt = 0; ; attempt++)
      try {
        const found = await this.#parts.fetch(device);
        return found ? Buffer.from(JSON.stringify({ version: found.version, config: found.config })) : undefined;
      } catch (error) {
        const wait = RETRY_MS[attempt];
        if (wait === undefined || (error as { type?: unknown }).type === "DEVICE_NOT_FOUND") {
          this.#parts.failed(device, error);
          return undefined;
        }
        await sleep(wait, undefined, { ref: false });
      }
  }

  #inOrder<T>({ tenantId, deviceId }: DeviceKey, work: () => Promise<T>): Promise<T> {
    const key = `${tenantId}/${deviceId}`;
    const mine = (this.#running.get(key) ?? Promise.resolve()).then(work);
    const ended = mine
      .catch(() => {})
      .then(() => {
        if (this.#running.get(key) === ended) this.#running.delete(key);
      });
    this.#running.set(key, ended);
    return mine;
  }
}
