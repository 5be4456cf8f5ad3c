import { setTimeout as sleep } from "node:timers/promises";
import type { Fleet } from "./fleet.ts";
import type { Message } from "./message.ts";

export interface RunOptions {
  /** How long acknowledgements are waited for after an interruption. */
  drainSeconds: number;
  /** No more messages. */
  stop: AbortSignal;
  /** Somebody pressed Ctrl-C. */
  interrupted: AbortSignal;
}

/** A timer of Node cannot wait longer. */
const SLEEP_MS_MAX = 2 ** 31 - 1;

/**
 * Publishes the messages when they are due, each device's in their order, and waits for the acknowledgements. A device
 * whose window is full holds up those after it: the order of the whole is kept within the windows.
 *
 * @throws Error when a device can never send again, or the messages cannot be read
 */
export async function publishAll(
  messages: Iterable<Message> | AsyncIterable<Message>,
  fleet: Fleet,
  { drainSeconds, stop: noMore, interrupted }: RunOptions,
): Promise<void> {
  const stop = AbortSignal.any([noMore, interrupted, fleet.failed]);
  const wake = () => fleet.wake();
  stop.addEventListener("abort", wake);
  const startedAt = performance.now();
  for await (const message of messages) {
    const dueAt = startedAt + message.dueMs;
    for (let wait = dueAt - performance.now(); wait > 1 && !stop.aborted; wait = dueAt - performance.now())
      await sleep(Math.min(wait, SLEEP_MS_MAX), undefined, { signal: stop }).catch(() => {});
    if (stop.aborted) break;
    const device = fleet.known(message.deviceId) ?? (await fleet.add(message.deviceId));
    if (message.lost && device.hears) await device.whenDrained(stop);
    if (!device.ready) await device.whenReady(stop);
    if (stop.aborted) break;
    device.publish(message);
  }
  const ended = AbortSignal.any([interrupted, fleet.failed]);
  ended.addEventListener("abort", wake);
  await fleet.drained(ended);
  if (interrupted.aborted && fleet.inFlight > 0) {
    const enough = AbortSignal.any([fleet.failed, AbortSignal.timeout(drainSeconds * 1000)]);
    enough.addEventListener("abort", wake);
    await fleet.drained(enough);
  }
  fleet.failed.throwIfAborted();
}
