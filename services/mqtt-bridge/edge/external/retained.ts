import type { DeviceKey } from "../edge-policy.ts";
import type { Publication } from "./publishing.ts";
import { outerTopic } from "./topics.ts";

/** What the broker is to forget of devices that are gone, or another one with the same id would be told of it. */
export class Retained {
  readonly #publish: (publication: Publication) => Promise<void>;
  readonly #gone = new Map<string, Publication>();

  constructor(publish: (publication: Publication) => Promise<void>) {
    this.#publish = publish;
  }

  /** Tried again at the next `up` where the broker is away. */
  forget(device: DeviceKey): void {
    const topic = outerTopic(device, `devices/${device.deviceId}/config`);
    this.#gone.set(topic, { topic, payload: Buffer.alloc(0), retain: true });
    this.up();
  }

  /** There is a value anew. */
  keep(topic: string): void {
    this.#gone.delete(topic);
  }

  /** The broker is there, perhaps again. */
  up(): void {
    for (const [topic, publication] of this.#gone)
      this.#publish(publication).then(
        () => {
          if (this.#gone.get(topic) === publication) this.#gone.delete(topic);
        },
        () => {},
      );
  }
}
