import type { FaultPlan } from "./fault-plan.ts";
import type { FaultCounts } from "./faults.ts";
import { micros, rfc3339 } from "./instant.ts";
import type { Message } from "./message.ts";

interface Held {
  message: Message;
  /** Messages of the device that go first. */
  after: number;
}

interface DeviceState {
  plan: FaultPlan;
  held: Held[];
  /** Messages that the loss under way still takes. */
  lost: number;
  cutAt: number;
}

/**
 * The messages as a device with faults sends them: later, twice, with a wrong time, into a connection that breaks.
 * What it gives depends on the messages and the plans only.
 */
export async function* faultyMessages(
  messages: Iterable<Message> | AsyncIterable<Message>,
  planOf: (deviceId: string) => FaultPlan,
  counts: FaultCounts,
): AsyncGenerator<Message> {
  const devices = new Map<string, DeviceState>();
  const stateOf = (deviceId: string): DeviceState => {
    const known = devices.get(deviceId);
    if (known) return known;
    const state = { plan: planOf(deviceId), held: [], lost: 0, cutAt: 0 };
    if (state.plan.skewMicros !== 0) counts.skewedDevices++;
    devices.set(deviceId, state);
    return state;
  };
  for await (const original of messages) {
    const state = stateOf(original.deviceId);
    const faults = state.plan.next();
    const message = skewed(original, state.plan.skewMicros);
    if (faults.lost > 0 && state.lost === 0) {
      state.lost = faults.lost;
      state.cutAt = faults.cutAt;
      counts.lossesOfConnection++;
    }
    if (faults.lateBy > 0) {
      counts.reordered++;
      state.held.push({ message, after: faults.lateBy });
    } else {
      yield* sent(state, message);
    }
    if (faults.againAfter > 0) {
      counts.duplicates++;
      // Never before the message itself.
      state.held.push({ message: { ...message, again: true }, after: faults.lateBy + faults.againAfter });
    }
  }
  for (const state of devices.values())
    for (const { message } of state.held.splice(0).sort((a, b) => a.after - b.after)) yield inLoss(state, message);
}

/** The message, and those that waited for it. */
function* sent(state: DeviceState, message: Message): Generator<Message> {
  yield inLoss(state, message);
  for (const held of state.held) held.after--;
  const due = state.held.filter(({ after }) => after <= 0);
  state.held = state.held.filter(({ after }) => after > 0);
  for (const { message: late } of due) yield inLoss(state, late);
}

/** Marks a message that a loss of connection takes. */
function inLoss(state: DeviceState, message: Message): Message {
  if (state.lost === 0) return message;
  state.lost--;
  return { ...message, lost: state.lost === 0 ? { cutAt: state.cutAt } : {} };
}

const skewed = (message: Message, skewMicros: number): Message =>
  skewMicros === 0 ? message : { ...message, ts: rfc3339(micros(message.ts) + skewMicros) };
