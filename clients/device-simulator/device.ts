import { setTimeout as sleep } from "node:timers/promises";
import type { MqttClient } from "mqtt";
import { type ConnectionOptions, connect } from "./connection.ts";
import type { Progress } from "./progress.ts";

export interface DeviceOptions extends ConnectionOptions {
  qos: 0 | 1;
  /** Unacknowledged messages at most. */
  inflight: number;
}

interface Pending {
  payload: string;
  /** When it was sent first; 0 when never. */
  sentAt: number;
}

const RECONNECT_MS = 100;
const RECONNECT_MAX_MS = 2000;
const QUOTA_EXCEEDED = 0x97;
const QUOTA_WAIT_MS = 250;
/** CONNACK "bad user name or password" and "not authorized", of MQTT 3.1.1 and of 5. */
const DENIED = new Set<unknown>([4, 5, 0x86, 0x87]);
/** A platform that is just starting may deny; a credential that was replaced stays denied. */
const DENIED_MAX = 8;

/**
 * One device on one connection at a time. What is not acknowledged stays here, in order, and is sent again after a
 * reconnect before anything new. (mqtt.js' own store sends it again one by one, waiting for each acknowledgement, and
 * gives up what was published meanwhile when the connection breaks once more: so each connection is a client of its own.)
 */
export class Device {
  readonly id: string;
  #secret: string;
  #options: DeviceOptions;
  #progress: Progress;
  #fail: (error: Error) => void;
  #pending = new Map<number, Pending>();
  #next = 0;
  #window: number;
  #held = 0;
  #client: MqttClient | undefined;
  #closed = new AbortController();
  #waiting: (() => void)[] = [];

  /** @param fail - told when the device can never send again */
  constructor(id: string, secret: string, options: DeviceOptions, progress: Progress, fail: (error: Error) => void) {
    this.id = id;
    this.#secret = secret;
    this.#options = options;
    this.#progress = progress;
    this.#fail = fail;
    this.#window = options.inflight;
  }

  /** Messages without acknowledgement. */
  get inFlight(): number {
    return this.#pending.size;
  }

  /** Another message may be published. */
  get ready(): boolean {
    return this.#pending.size < this.#window && this.#held === 0;
  }

  /** Waits until the device is ready, or until the signal is aborted. */
  async whenReady(stop: AbortSignal): Promise<void> {
    while (!this.ready && !stop.aborted) await this.#change();
  }

  /** Waits until nothing is in flight, or until the signal is aborted. */
  async whenDrained(stop: AbortSignal): Promise<void> {
    while (this.#pending.size > 0 && !stop.aborted) await this.#change();
  }

  /** Lets everybody who waits look at their signal. */
  wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** @throws ConnectionError */
  async connect(): Promise<void> {
    const { client, receiveMaximum } = await connect(this.id, this.#secret, this.#options);
    this.#client = client;
    this.#window = Math.min(this.#options.inflight, receiveMaximum);
    client.once("close", () => {
      this.#client = undefined;
      void this.#reconnect();
    });
    for (const [n, pending] of this.#pending) this.#send(n, pending);
    this.wake();
  }

  /** Sends the message, now or when the connection is back. */
  publish(payload: string): void {
    const pending = { payload, sentAt: 0 };
    this.#pending.set(this.#next, pending);
    this.#progress.sent++;
    if (this.#client) this.#send(this.#next, pending);
    this.#next++;
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#client?.endAsync();
  }

  #send(n: number, pending: Pending): void {
    const client = this.#client as MqttClient;
    if (pending.sentAt > 0) this.#progress.resent++;
    else pending.sentAt = performance.now();
    client.publish(`devices/${this.id}/telemetry`, pending.payload, { qos: this.#options.qos }, (error) => {
      // What a broken connection did not do, the next one does.
      if (client !== this.#client) return;
      const { code } = (error ?? {}) as { code?: number };
      if (error && code === undefined) return;
      if (code === QUOTA_EXCEEDED) return this.#sendLater(client, n, pending);
      this.#pending.delete(n);
      if (error) this.#progress.refuse(`${error.message}, device ${this.id}`);
      else this.#progress.acknowledge(performance.now() - pending.sentAt);
      this.wake();
    });
  }

  /** The platform is behind: nothing new of this device until the refused message is on its way again. */
  #sendLater(client: MqttClient, n: number, pending: Pending): void {
    this.#held++;
    setTimeout(() => {
      this.#held--;
      if (client === this.#client) this.#send(n, pending);
      this.wake();
    }, QUOTA_WAIT_MS);
  }

  /** Comes back with growing waits, half of each random, so that many devices do not come back in step. */
  async #reconnect(): Promise<void> {
    let denied = 0;
    for (let failures = 0; !this.#closed.signal.aborted; failures++) {
      const wait = Math.min(RECONNECT_MAX_MS, RECONNECT_MS * 2 ** Math.min(failures, 10));
      await sleep(wait / 2 + (Math.random() * wait) / 2, undefined, { signal: this.#closed.signal }).catch(() => {});
      if (this.#closed.signal.aborted) return;
      try {
        await this.connect();
        this.#progress.reconnects++;
        return;
      } catch (error) {
        if (!DENIED.has((error as { code?: unknown }).code)) continue;
        denied++;
        if (denied >= DENIED_MAX) return this.#fail(error as Error);
      }
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
