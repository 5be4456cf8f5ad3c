import type { DeviceKey, EdgePolicy } from "../edge-policy.ts";

interface Heard {
  device: DeviceKey;
  sessionEpoch: number;
  at: number;
}

/** Devices that are reported in one turn of the event loop. */
const CHUNK = 500;

/** Reports devices that have sent something, once per device and interval. */
export class HeardOf {
  readonly #policy: Pick<EdgePolicy, "seen">;
  readonly #timer: NodeJS.Timeout;
  #heard = new Map<string, Heard>();

  constructor(policy: Pick<EdgePolicy, "seen">, intervalMs: number) {
    this.#policy = policy;
    this.#timer = setInterval(() => void this.#report(), intervalMs).unref();
  }

  add(device: DeviceKey, sessionEpoch: number, at: number): void {
    const key = `${device.tenantId}/${device.deviceId}`;
    const heard = this.#heard.get(key);
    if (!heard) this.#heard.set(key, { device, sessionEpoch, at });
    else Object.assign(heard, { sessionEpoch, at });
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #report(): Promise<void> {
    const heard = this.#heard;
    this.#heard = new Map();
    let count = 0;
    for (const { device, sessionEpoch, at } of heard.values()) {
      this.#policy.seen(device, { sessionEpoch, at, presence: "unknown" });
      if (++count % CHUNK === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
