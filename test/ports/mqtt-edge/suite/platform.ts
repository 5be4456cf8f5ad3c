import { native } from "../../../../services/mqtt-bridge/dialects/native/native.ts";
import type { Outcome } from "../../../../services/mqtt-bridge/edge/acknowledge.ts";
import {
  type Arrival,
  type ConnectedFact,
  CredentialError,
  type DeviceKey,
  type DisconnectedFact,
  type EdgePolicy,
  type InboundMessage,
  type Recognised,
  type SeenFact,
} from "../../../../services/mqtt-bridge/edge/edge-policy.ts";

import { Reason, Refusal } from "../../../../services/mqtt-bridge/edge/reason.ts";

/** The secret of every device. */
export const SECRET = "secret";

export interface Stored {
  device: string;
  topic: string;
  text: string;
  arrival: Arrival;
  contentType: string | undefined;
  messageId: string | undefined;
}

/** A commit that ends when the test says so. */
export interface HeldCommit {
  readonly text: string;
  done(outcome?: Outcome): void;
  fail(error: unknown): void;
}

/** The platform behind an edge, with the native topics: it notes what it was given, and does as the test says. */
export class Platform implements EdgePolicy {
  /** What `receive` was called with, in order. */
  readonly received: Stored[] = [];
  /** Commits that wait, oldest first, where `hold` is set. */
  readonly held: HeldCommit[] = [];
  hold = false;
  /** The end of a commit that is not held. */
  commit: (text: string) => Promise<Outcome> = async () => undefined;
  /** The registry. */
  check: (device: DeviceKey, secret: string) => Promise<void> = async (_device, secret) => {
    if (secret !== SECRET) throw new CredentialError("wrong password");
  };
  /** What a new subscription to a filter begins with. */
  currentOf: (filter: string) => string | undefined = () => undefined;
  /** What was told of connections: `connected 1`, `disconnected 1 network`, `seen 1`. */
  readonly presence: string[] = [];
  /** The channel of connections. */
  enter: (fact: ConnectedFact) => Promise<void> = async () => {};
  /** The same for their ends. */
  leave: (fact: DisconnectedFact) => Promise<void> = async () => {};
  /** The registry, to an edge whose broker has checked the credential. */
  know: (device: DeviceKey) => Promise<Recognised> = async () => ({ sessionEpoch: 0 });
  /** What was kept as rejected: device, payload and reason. */
  readonly rejected: string[] = [];
  #epoch = 0;

  identify: EdgePolicy["identify"] = (connect) => native.identify(connect);
  mayPublish: EdgePolicy["mayPublish"] = ({ deviceId }, topic) => native.uplink(topic, deviceId) !== undefined;
  maySubscribe: EdgePolicy["maySubscribe"] = ({ deviceId }, filter) => native.maySubscribe(filter, deviceId);
  canonical: EdgePolicy["canonical"] = ({ deviceId }, filter) => native.canonical(filter, deviceId);

  async current(_device: DeviceKey, filter: string): Promise<Buffer | undefined> {
    const text = this.currentOf(filter);
    return text === undefined ? undefined : Buffer.from(text);
  }

  async connected(_device: DeviceKey, fact: ConnectedFact): Promise<void> {
    await this.enter(fact);
    this.presence.push(`connected ${fact.sessionEpoch}`);
  }

  async disconnected(_device: DeviceKey, fact: DisconnectedFact): Promise<void> {
    const { sessionEpoch, reason } = fact;
    this.presence.push(`disconnected ${sessionEpoch} ${reason}`);
    await this.leave(fact);
  }

  seen(_device: DeviceKey, { sessionEpoch }: SeenFact): void {
    this.presence.push(`seen ${sessionEpoch}`);
  }

  async authenticate(device: DeviceKey, secret: string): Promise<{ sessionEpoch: number }> {
    await this.check(device, secret);
    return { sessionEpoch: ++this.#epoch };
  }

  verify(device: DeviceKey, secret: string): Promise<void> {
    return this.check(device, secret);
  }

  recognise(device: DeviceKey): Promise<Recognised> {
    return this.know(device);
  }

  async reject({ tenantId, deviceId }: DeviceKey, message: InboundMessage, reason: string): Promise<Outcome> {
    this.rejected.push(`${tenantId}/${deviceId} ${message.payload} ${reason}`);
    return new Refusal(Reason.payloadFormatInvalid, reason);
  }

  receive({ tenantId, deviceId }: DeviceKey, message: InboundMessage): Promise<Outcome> {
    const { topic, contentType, messageId } = message;
    const text = message.payload.toString();
    this.received.push({
      device: `${tenantId}/${deviceId}`,
      topic,
      text,
      arrival: message.arrival(),
      contentType,
      messageId,
    });
    if (!this.hold) return this.commit(text);
    return new Promise((resolve, reject) => {
      this.held.push({ text, done: resolve, fail: reject });
    });
  }

  get texts(): string[] {
    return this.received.map(({ text }) => text);
  }
}
