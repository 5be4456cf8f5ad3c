import { backOff } from "../../../../lib/channels/back-off.ts";
import { MqttConnection, type MqttConnectionOptions, type OnMessage } from "./mqtt-connection.ts";
import type { Publication } from "./publishing.ts";

export interface MqttLinkEvents {
  message: OnMessage;
  /** The subscriptions are granted. */
  up(): void;
  log(message: string, fields: object): void;
}

/** In haste: mosquitto forgets shared subscriptions when it restarts, and drops what comes before they are renewed. */
const RETRY = { retryMs: 50, retryMaxMs: 500 };
const CLOSE_MS = 1000;

/** A connection to an MQTT 5 broker that comes back by itself until it is closed. */
export class MqttLink {
  readonly #options: MqttConnectionOptions;
  readonly #events: MqttLinkEvents;
  readonly #closed = new AbortController();
  #connection: MqttConnection | undefined;
  #running: Promise<void> | undefined;
  #trouble: string | undefined = "not connected yet";

  constructor(options: MqttConnectionOptions, events: MqttLinkEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** Why there is no connection at present. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Resolves when the first attempt is over; a broker that is away is tried for again from then on. */
  async open(): Promise<void> {
    const first = Promise.withResolvers<void>();
    this.#running = this.#run(first.resolve);
    await first.promise;
  }

  /** Resolves when the broker has acknowledged. @throws Error while it is away */
  async publish(publication: Publication): Promise<void> {
    if (this.#trouble !== undefined || !this.#connection) throw new Error(`MQTT broker: ${this.#trouble}`);
    await this.#connection.publish(publication);
  }

  /** Ends within a second, whatever the broker does. */
  async close(): Promise<void> {
    this.#closed.abort();
    const connection = this.#connection;
    connection?.close();
    const late = setTimeout(() => connection?.destroy("the edge has stopped"), CLOSE_MS);
    await this.#running;
    clearTimeout(late);
  }

  async #run(tried: () => void): Promise<void> {
    const { signal } = this.#closed;
    for (let failures = 0; !signal.aborted; ) {
      const connection = new MqttConnection(this.#options, this.#events.message);
      this.#connection = connection;
      try {
        await connection.ready;
        [failures, this.#trouble] = [0, undefined];
        tried();
        this.#events.up();
      } catch {
        // `ended` tells why.
      }
      this.#trouble = await connection.ended;
      tried();
      // The reason of one outage is told once, not with each attempt.
      if (failures === 0 && !signal.aborted)
        this.#events.log("The MQTT broker cannot be reached; it is tried again.", { reason: this.#trouble });
      await backOff(++failures, RETRY, signal).catch(() => {});
    }
    tried();
  }
}
