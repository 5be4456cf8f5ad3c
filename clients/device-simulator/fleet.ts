import { Device, type DeviceOptions } from "./device.ts";
import type { Progress } from "./progress.ts";
import type { Recorder } from "./recorder.ts";
import type { Registry } from "./registry.ts";

/** Devices that are registered and connected at once. */
const PREPARED_AT_ONCE = 8;

export interface FleetOptions extends DeviceOptions {
  /** Devices that take their answers slowly. */
  readsSlowly?: (deviceId: string) => boolean;
}

/** The devices of one run: registered, given a credential and connected when they are first needed. */
export class Fleet {
  #options: FleetOptions;
  #registry: Registry;
  #progress: Progress;
  #recorder: Recorder | undefined;
  #devices = new Map<string, Device>();
  #failed = new AbortController();

  constructor(options: FleetOptions, registry: Registry, progress: Progress, recorder?: Recorder) {
    this.#options = options;
    this.#registry = registry;
    this.#progress = progress;
    this.#recorder = recorder;
  }

  /** Aborted, with the error as its reason, when a device can never send again. */
  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  /** Messages without acknowledgement. */
  get inFlight(): number {
    let sum = 0;
    for (const device of this.#devices.values()) sum += device.inFlight;
    return sum;
  }

  known(deviceId: string): Device | undefined {
    return this.#devices.get(deviceId);
  }

  /** Registers and connects a device. @throws Error in one line when platform or MQTT do not take it */
  async add(deviceId: string): Promise<Device> {
    const secret = await this.#registry.secretOf(deviceId);
    const slowReader = this.#options.readsSlowly?.(deviceId) ?? false;
    const device = new Device(
      deviceId,
      secret,
      { ...this.#options, slowReader },
      {
        progress: this.#progress,
        recorder: this.#recorder,
        fail: (error) => {
          this.#failed.abort(error);
          this.wake();
        },
      },
    );
    await device.connect();
    this.#devices.set(deviceId, device);
    return device;
  }

  async addAll(deviceIds: string[], stop: AbortSignal): Promise<void> {
    const left = deviceIds.values();
    const worker = async () => {
      for (const id of left) {
        if (stop.aborted) return;
        await this.add(id);
      }
    };
    await Promise.all(Array.from({ length: PREPARED_AT_ONCE }, worker));
  }

  /** Lets everybody who waits for a device look at their signal. */
  wake(): void {
    for (const device of this.#devices.values()) device.wake();
  }

  async drained(stop: AbortSignal): Promise<void> {
    await Promise.all(Array.from(this.#devices.values(), (device) => device.whenDrained(stop)));
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#devices.values(), (device) => device.close()));
  }
}
