import type { DeviceDocument } from "./device.model.ts";
import type { DeviceConfigs } from "./device-configs.ts";
import type { Devices } from "./devices.ts";

/** Unfinished deletions that one sweep takes up. */
const SWEEP_MAX = 1000;

/**
 * Deletes a device and what belongs to it. It is marked first, and invisible from then on; the mark goes with the device
 * itself, last: what is cut off in between is taken up by the next sweep.
 */
export class Deletion {
  readonly #devices: Devices;
  readonly #configs: DeviceConfigs;

  constructor(devices: Devices, configs: DeviceConfigs) {
    this.#devices = devices;
    this.#configs = configs;
  }

  /** @throws DeviceNotFoundError */
  begin(tenantId: string, deviceId: string, at: Date): Promise<DeviceDocument> {
    return this.#devices.markDeleting(tenantId, deviceId, at);
  }

  async finish(device: DeviceDocument): Promise<void> {
    await this.#configs.remove(device);
    await this.#devices.remove(device);
  }

  /** Finishes those that were begun before `at`. */
  async sweep(at: Date): Promise<void> {
    for (const device of await this.#devices.deleting(at, SWEEP_MAX)) await this.finish(device);
  }
}
