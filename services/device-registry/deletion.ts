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
  readonly #deleteSent: (tenantId: string, deviceId: string) => Promise<unknown>;

  /** @param deleteSent asks for the deletion of all that a device sent. */
  constructor(
    devices: Devices,
    configs: DeviceConfigs,
    deleteSent: (tenantId: string, deviceId: string) => Promise<unknown>,
  ) {
    this.#devices = devices;
    this.#configs = configs;
    this.#deleteSent = deleteSent;
  }

  /** @throws DeviceNotFoundError */
  begin(tenantId: string, deviceId: string, at: Date, withReadings: boolean): Promise<DeviceDocument> {
    return this.#devices.markDeleting(tenantId, deviceId, at, withReadings);
  }

  async finish(device: DeviceDocument): Promise<void> {
    if (device.deleting?.readings === "delete") await this.#deleteSent(device.tenantId, device.deviceId);
    await this.#configs.remove(device);
    await this.#devices.remove(device);
  }

  /** Finishes those that were begun before `at`; one that fails holds up no other. @throws the first failure. */
  async sweep(at: Date): Promise<void> {
    const failures: unknown[] = [];
    for (const device of await this.#devices.deleting(at, SWEEP_MAX))
      await this.finish(device).catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }
}
