import { isUtf8 } from "node:buffer";
import { jsonFault } from "../../lib/json-fault.ts";
import type { DeviceEvent } from "../../schemas/device-events.ts";
import type { Outcome } from "./edge/acknowledge.ts";
import type { ConnectedFact, DeviceKey, DisconnectedFact, InboundMessage, SeenFact } from "./edge/edge-policy.ts";
import { unstored } from "./unstored.ts";

/** Appends JSON text to the channel `device.events`; resolves when it is durable. */
export type PublishEvent = (text: string, options: { key: string; raw: true }) => Promise<void>;

/** Resolves when the message is kept as a rejected one. */
export type Reject = (device: DeviceKey, message: InboundMessage, reason: string) => Promise<Outcome>;

export const STATUS_BYTES_MAX = 8192;
export const HEARTBEAT_BYTES_MAX = 1024;
/** Ends of connections that wait for the channel to come back; beyond it the oldest is left to its keep-alive. */
const WAITING_MAX = 10_000;
const RETRY_MS = 1000;

type Happened = DeviceEvent extends infer Event
  ? Event extends DeviceEvent
    ? Omit<Event, keyof DeviceKey>
    : never
  : never;

/** What is seen of devices, as facts on `device.events`. */
export class DeviceEvents {
  readonly #publish: PublishEvent;
  readonly #reject: Reject;
  readonly #waiting: { device: DeviceKey; event: Happened; taken: () => void }[] = [];
  readonly #running = new Set<Promise<void>>();
  #retry: NodeJS.Timeout | undefined;

  constructor(publish: PublishEvent, reject: Reject) {
    this.#publish = publish;
    this.#reject = reject;
  }

  connected(device: DeviceKey, fact: ConnectedFact): Promise<void> {
    return this.#send(device, { kind: "connected", protocol: "mqtt", ...fact });
  }

  /** Sent again until the channel takes it: then it resolves. */
  disconnected(device: DeviceKey, fact: DisconnectedFact): Promise<void> {
    return new Promise((taken) => this.#insist(device, { kind: "disconnected", ...fact }, taken));
  }

  /** May be lost: there will be another. */
  seen(device: DeviceKey, fact: SeenFact): void {
    this.#send(device, { kind: "seen", ...fact }).catch(() => {});
  }

  /** A device's own word. @throws what `unstored` says */
  async receive(kind: "status" | "heartbeat", device: DeviceKey, message: InboundMessage): Promise<Outcome> {
    const { sessionEpoch, receivedAt, payload, presence } = message;
    const heard = { sessionEpoch, at: receivedAt, ...(presence ? { presence } : {}) };
    const limit = kind === "status" ? STATUS_BYTES_MAX : HEARTBEAT_BYTES_MAX;
    if (payload.length > limit) return this.#reject(device, message, `payload: must have at most ${limit} bytes`);
    const status = kind === "status" ? jsonObject(payload) : {};
    if (!status) return this.#reject(device, message, "payload: must be a JSON object");
    const fault = jsonFault(status);
    if (fault) return this.#reject(device, message, `${fault.field}: ${fault.message}`);
    const event: Happened = kind === "status" ? { kind, ...heard, status } : { kind, ...heard };
    await this.#send(device, event).catch(unstored);
    return undefined;
  }

  /** Resolves when nothing is on its way any more, or after `limitMs`. */
  async idle(limitMs: number): Promise<void> {
    clearInterval(this.#retry);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limitMs);
    });
    await Promise.race([Promise.allSettled(this.#running), late]);
    clearTimeout(timer);
  }

  #send(device: DeviceKey, event: Happened): Promise<void> {
    const { tenantId, deviceId } = device;
    const text = JSON.stringify({ tenantId, deviceId, ...event } satisfies DeviceEvent);
    return this.#publish(text, { key: `${tenantId}/${deviceId}`, raw: true });
  }

  #insist(device: DeviceKey, event: Happened, taken: () => void): void {
    const sending = this.#send(device, event).then(taken, () => {
      this.#waiting.push({ device, event, taken });
      if (this.#waiting.length > WAITING_MAX) this.#waiting.shift();
      this.#retry ??= setInterval(() => this.#sendWaiting(), RETRY_MS).unref();
    });
    this.#running.add(sending);
    void sending.then(() => this.#running.delete(sending));
  }

  #sendWaiting(): void {
    clearInterval(this.#retry);
    this.#retry = undefined;
    for (const { device, event, taken } of this.#waiting.splice(0)) this.#insist(device, event, taken);
  }
}

function jsonObject(payload: Buffer): Record<string, unknown> | undefined {
  if (!isUtf8(payload)) return undefined;
  try {
    const value: unknown = JSON.parse(payload.toString());
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
