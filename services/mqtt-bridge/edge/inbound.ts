import type { PublishPacket } from "aedes";
import type { Slot } from "./ack-queue.ts";
import type { Outcome } from "./acknowledge.ts";
import { markAnswered } from "./aedes-internals.ts";
import { type Connection, InboundPublish, type Origin } from "./connection.ts";
import type { EdgeOptions } from "./edge-options.ts";
import type { DeviceKey, EdgePolicy } from "./edge-policy.ts";
import { Reason, Refusal, Unstored } from "./reason.ts";
import { INVALID_TOPIC } from "./topic-limits.ts";

type Options = Pick<Required<EdgeOptions>, "now" | "acknowledgeOrder" | "receiveMaximum">;
type Done = (error?: Error | null) => void;

const NOT_AUTHORIZED = new Refusal(Reason.notAuthorized, "not a topic of this device");
const TOPIC_INVALID = new Refusal(Reason.topicNameInvalid, "topic: is too long, too deep, or has a wildcard");

/**
 * PUBLISHes from their packet to their answer. Nothing is routed on to subscribers: what devices say goes to the
 * channel, and only there.
 */
export class Inbound {
  readonly #policy: EdgePolicy;
  readonly #options: Options;
  #inFlight = 0;
  #idle: (() => void) | undefined;
  /** PUBLISHes refused because the topic is not the device's own, or their QoS 2 window was exceeded. */
  refused = 0;

  constructor(policy: EdgePolicy, options: Options) {
    this.#policy = policy;
    this.#options = options;
  }

  /** @param done lets the broker read on; an error closes the connection */
  publish(connection: Connection, packet: PublishPacket, done: Done): void {
    const { device, session } = connection;
    if (!device || !session) {
      done(NOT_AUTHORIZED);
      return;
    }
    markAnswered(packet);
    // The connection is being ended; `done` is never called, so that nothing more is read.
    if (connection.acks.closed) return;
    const { qos, messageId = 0 } = packet;
    // MQTT-2.2.1-3. The parser says -1 where the packet ends before its id: neither can be answered.
    if (qos > 0 && messageId < 1) {
      connection.drop(Reason.protocolError);
      return;
    }
    const now = this.#options.now();
    if (connection.rate && !connection.rate.take(now / 1000)) {
      this.refused++;
      connection.drop(Reason.messageRateTooHigh);
      return;
    }
    const slot = qos === 0 ? undefined : connection.acks.open(qos, messageId, done);
    if (qos === 2 && session.unreleased.has(messageId)) {
      this.#answer(connection, slot, undefined, done);
      return;
    }
    if (qos === 2 && !this.#takeQos2(connection, messageId)) return;
    if (packet.topic === INVALID_TOPIC || !this.#policy.mayPublish(device, packet.topic)) {
      this.refused++;
      if (!connection.takesControl()) return;
      this.#refuse(connection, slot, packet.topic === INVALID_TOPIC ? TOPIC_INVALID : NOT_AUTHORIZED, done);
      return;
    }
    this.#options.acknowledgeOrder(
      () => this.#commit(device, new InboundPublish(connection, packet, now)),
      (outcome) => this.#answer(connection, slot, outcome, done),
      (error) => this.#refuse(connection, slot, error, done),
    );
  }

  /** A will is a message like others, but there is nobody left to answer. */
  will(device: DeviceKey, origin: Origin, packet: PublishPacket): void {
    this.#commit(device, new InboundPublish(origin, packet, this.#options.now())).catch(() => {});
  }

  /** Resolves when no message waits for its commit, or after `limitMs`. */
  async idle(limitMs: number): Promise<void> {
    if (this.#inFlight === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#idle = resolve;
    const timer = setTimeout(resolve, limitMs);
    await promise;
    clearTimeout(timer);
  }

  async #commit(device: DeviceKey, message: InboundPublish): Promise<Outcome> {
    this.#inFlight++;
    try {
      return await this.#policy.receive(device, message);
    } finally {
      if (--this.#inFlight === 0) this.#idle?.();
    }
  }

  #answer(connection: Connection, slot: Slot | undefined, outcome: Outcome, done: Done): void {
    if (!slot) {
      done();
      return;
    }
    if (slot.qos === 2) {
      const { session, receiving } = connection;
      if (outcome !== undefined && connection.version === 5) receiving.delete(slot.packetId);
      // Too late for a session that has moved on: its next connection may have released the id, and use it anew.
      else if (session?.heldBy === connection && !session.unreleased.has(slot.packetId)) {
        const known = session.receive(slot.packetId);
        if (known) {
          known.then(
            () => connection.acks.settle(slot, outcome),
            (error) => this.#refuse(connection, slot, error, done),
          );
          return;
        }
      }
    }
    connection.acks.settle(slot, outcome);
  }

  #refuse(connection: Connection, slot: Slot | undefined, error: unknown, done: Done): void {
    // QoS 0 has no answer; a publisher in haste is not worth its connection.
    if (!slot && (connection.version === 5 || (error !== NOT_AUTHORIZED && error !== TOPIC_INVALID))) done();
    else if (slot && connection.version === 5 && error instanceof Refusal) this.#answer(connection, slot, error, done);
    // Below MQTT 5 the only refusal is to hang up, and of what is not stored nobody is told that it is done: the device
    // sends it again after it reconnects.
    else connection.drop(error instanceof Unstored || error instanceof Refusal ? error.code : Reason.serverBusy);
  }

  /** Our Receive Maximum is only advertised by aedes. For QoS 1 the late PUBACK is the brake. */
  #takeQos2(connection: Connection, packetId: number): boolean {
    connection.receiving.add(packetId);
    if (connection.receiving.size <= this.#options.receiveMaximum) return true;
    this.refused++;
    connection.drop(Reason.receiveMaximumExceeded);
    return false;
  }
}
