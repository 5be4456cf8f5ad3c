import { setTimeout as sleep } from "node:timers/promises";
import type { MqttClient } from "mqtt";
import { breakConnection, type ConnectionOptions, connect } from "./connection.ts";
import type { Message } from "./message.ts";
import type { Progress } from "./progress.ts";
import type { Recorder } from "./recorder.ts";
import { readSlowly } from "./slow-reader.ts";

export interface DeviceOptions extends ConnectionOptions {
  qos: 0 | 1;
  /** Unacknowledged messages at most. */
  inflight: number;
}

/** Who is told of what happens to a device. */
export interface DeviceObserver {
  progress: Progress;
  recorder?: Recorder | undefined;
  /** The device can never send again. */
  fail(error: Error): void;
}

interface Pending {
  payload: string;
  again: boolean;
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
  #slowReader: boolean;
  #observer: DeviceObserver;
  #pending = new Map<number, Pending>();
  #next = 0;
  #window: number;
  #held = 0;
  /** The acknowledgements of this connection are lost: it is about to break. */
  #deaf = false;
  #client: MqttClient | undefined;
  #closed = new AbortController();
  #waiting: (() => void)[] = [];

  constructor(id: string, secret: string, options: DeviceOptions & { slowReader?: boolean }, observer: DeviceObserver) {
    this.id = id;
    this.#secret = secret;
    this.#options = options;
    this.#slowReader = options.slowReader ?? false;
    this.#observer = observer;
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
    // What is not heard comes after the break.
    if (this.#deaf) this.#break();
    while (this.#pending.size > 0 && !stop.aborted) await this.#change();
  }

  /** Lets everybody who waits look at their signal. */
  wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** @throws ConnectionError */
  async connect(): Promise<void> {
    const { client, receiveMaximum } = await connect(this.id, this.#secret, this.#options);
    if (this.#slowReader) readSlowly(client.stream);
    this.#client = client;
    this.#window = Math.min(this.#options.inflight, receiveMaximum);
    client.once("close", () => {
      this.#client = undefined;
      this.#deaf = false;
      void this.#reconnect();
    });
    for (const [n, pending] of this.#pending) this.#send(n, pending);
    this.wake();
  }

  /** A loss of connection begins with the next message that is lost, and wants to find nothing in flight. */
  get hears(): boolean {
    return !this.#deaf;
  }

  /** Sends the message, now or when the connection is back. */
  publish({ ts, values, again = false, lost }: Pick<Message, "ts" | "values" | "again" | "lost">): void {
    const pending = { payload: JSON.stringify({ ts, values }), again, sentAt: 0 };
    const n = this.#next++;
    this.#pending.set(n, pending);
    if (!again) this.#observer.progress.sent++;
    if (!this.#client) return;
    if (lost) this.#deaf = true;
    if (lost?.cutAt !== undefined) {
      this.#break(pending, lost.cutAt);
      return;
    }
    this.#send(n, pending);
    // The platform allows fewer messages than the loss would take.
    if (this.#deaf && !this.ready) this.#break();
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#client?.endAsync();
  }

  get #topic(): string {
    return `devices/${this.id}/telemetry`;
  }

  /** Loses the connection, in the middle of a message's packet where one is given. */
  #break(pending?: Pending, cutAt?: number): void {
    const client = this.#client as MqttClient;
    this.#client = undefined;
    this.#deaf = false;
    if (pending) pending.sentAt = performance.now();
    breakConnection(client, this.#topic, pending?.payload ?? "", cutAt);
  }

  #send(n: number, pending: Pending): void {
    const client = this.#client as MqttClient;
    const { progress, recorder } = this.#observer;
    if (pending.sentAt > 0) progress.resent++;
    else pending.sentAt = performance.now();
    client.publish(this.#topic, pending.payload, { qos: this.#options.qos }, (error) => {
      // What a broken connection did not do, the next one does.
      if (client !== this.#client || this.#deaf) return;
      const { code } = (error ?? {}) as { code?: number };
      if (error && code === undefined) return;
      if (code === QUOTA_EXCEEDED) return this.#sendLater(client, n, pending);
      this.#pending.delete(n);
      if (error) progress.refuse(`${error.message}, device ${this.id}`);
      else if (!pending.again) {
        progress.acknowledge(performance.now() - pending.sentAt);
        recorder?.add(this.id, pending.payload);
      }
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
        this.#observer.progress.reconnects++;
        return;
      } catch (error) {
        if (!DENIED.has((error as { code?: unknown }).code)) continue;
        denied++;
        if (denied >= DENIED_MAX) return this.#observer.fail(error as Error);
      }
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
