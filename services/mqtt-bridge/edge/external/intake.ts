import { backOff } from "../../../../lib/channels/back-off.ts";
import type { EdgePolicy } from "../edge-policy.ts";
import { Refusal } from "../reason.ts";
import { BrokerMessage, type Brought } from "./broker-message.ts";
import { HeardOf } from "./heard-of.ts";
import { type KnownDevice, KnownDevices } from "./known-devices.ts";

export interface IntakeOptions {
  /** How often the devices that were heard of are reported. */
  seenIntervalMs: number;
  /** How old may be what is known of a device. */
  refreshMs: number;
  log(message: string, fields: object): void;
}

const RETRY = { retryMs: 100, retryMaxMs: 2000 };

/** Messages of an external broker on their way to the channel. The broker keeps each until it is told that it is stored. */
export class Intake {
  readonly devices: KnownDevices;
  readonly #policy: EdgePolicy;
  readonly #options: IntakeOptions;
  readonly #heard: HeardOf;
  readonly #stopped = new AbortController();
  /** By device: what waits for the channel to come back; later messages wait behind it. */
  readonly #waiting = new Map<string, Promise<void>>();
  #running = 0;
  #idle: (() => void) | undefined;
  /** The reason of one outage is told once. */
  #failing = false;
  /** Messages on topics that no device has. */
  refused = 0;

  constructor(policy: EdgePolicy, options: IntakeOptions) {
    this.#policy = policy;
    this.#options = options;
    this.devices = new KnownDevices(policy, options.refreshMs);
    this.#heard = new HeardOf(policy, options.seenIntervalMs);
  }

  /**
   * Resolves when the message is durable, as what it is or as a rejected one: then the broker may forget it. What the
   * channel does not take is tried again until it does.
   *
   * @throws Error when the edge stops before; the broker keeps the message.
   */
  async take(brought: Brought): Promise<undefined> {
    const known = this.devices.find(brought.tenantId, brought.deviceId);
    if (!known) {
      this.refused++;
      this.#options.log("A message came on a topic that no device has; it is left.", { topic: brought.topic });
      return undefined;
    }
    this.#running++;
    try {
      await this.#inOrder(known, brought);
    } finally {
      if (--this.#running === 0) this.#idle?.();
    }
    return undefined;
  }

  /** Resolves when nothing is in work, or after `limitMs`; what still waits for the channel is given up. */
  async close(limitMs: number): Promise<void> {
    this.#heard.stop();
    if (this.#running > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#idle = resolve;
      const timer = setTimeout(resolve, limitMs);
      await promise;
      clearTimeout(timer);
    }
    this.#stopped.abort(new Error("the edge has stopped"));
  }

  async #inOrder(known: KnownDevice, brought: Brought): Promise<void> {
    const key = `${brought.tenantId}/${brought.deviceId}`;
    if (!this.#waiting.has(key))
      try {
        return await this.#store(known, brought);
      } catch (error) {
        this.#fails(error);
      }
    const before = this.#waiting.get(key) ?? Promise.resolve();
    const mine = before.catch(() => {}).then(() => this.#insist(known, brought));
    this.#waiting.set(key, mine);
    try {
      await mine;
    } finally {
      if (this.#waiting.get(key) === mine) this.#waiting.delete(key);
    }
  }

  async #insist(known: KnownDevice, brought: Brought): Promise<void> {
    for (let failures = 1; ; failures++) {
      await backOff(failures, RETRY, this.#stopped.signal);
      try {
        await this.#store(known, brought);
        this.#failing = false;
        return;
      } catch (error) {
        this.#fails(error);
      }
    }
  }

  async #store(known: KnownDevice, brought: Brought): Promise<void> {
    if (!this.devices.of(known)) await this.devices.learn(known);
    const { device, recognised } = known;
    const { sessionEpoch = 0, refused } = recognised ?? {};
    const message = new BrokerMessage(brought, sessionEpoch);
    if (refused !== undefined) {
      await this.#policy.reject(device, message, refused);
      return;
    }
    this.#heard.add(device, sessionEpoch, brought.receivedAt);
    if (!this.#policy.mayPublish(device, brought.topic)) {
      this.refused++;
      await this.#policy.reject(device, message, "topic: is not one that the device publishes to");
      return;
    }
    try {
      await this.#policy.receive(device, message);
    } catch (error) {
      // Nobody is left whom a refusal could be told.
      if (!(error instanceof Refusal)) throw error;
      await this.#policy.reject(device, message, error.message);
    }
  }

  #fails(error: unknown): void {
    if (this.#failing) return;
    this.#failing = true;
    this.#options.log("Messages cannot be stored; the broker keeps them.", { error });
  }
}
