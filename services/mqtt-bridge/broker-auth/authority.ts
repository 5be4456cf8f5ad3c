import { timingSafeEqual } from "node:crypto";
import { CredentialError, type DeviceKey, type EdgePolicy } from "../edge/edge-policy.ts";
import { DOWNLINKS, outerTopic } from "../edge/external/topics.ts";

/** Who asks to be let in, as a broker tells it. */
export interface Connecting {
  username: string;
  password: string;
  /** Undefined where the broker does not say. */
  clientId: string | undefined;
}

/** What of the platform's rules a broker asks for. */
export type Rules = Pick<EdgePolicy, "identify" | "verify" | "mayPublish" | "maySubscribe" | "canonical">;

/** The bridge's user at the broker: it may all that a bridge has to. */
export interface BridgeUser {
  username: string;
  password: string;
}

/** A device may subscribe to one of its topics, as dialects know it, and is about to. */
export type Subscribing = (device: DeviceKey, filter: string) => void;

/** What a broker is answered that asks for each connection and topic. Topics are those at the broker, with the tenant. */
export class Authority {
  readonly #rules: Rules;
  readonly #bridge: BridgeUser;
  readonly #subscribing: Subscribing | undefined;

  constructor(rules: Rules, bridge: BridgeUser, subscribing?: Subscribing) {
    this.#rules = rules;
    this.#bridge = bridge;
    this.#subscribing = subscribing;
  }

  isBridge(username: string): boolean {
    return this.#bridge.username !== "" && username === this.#bridge.username;
  }

  deviceOf(username: string): DeviceKey | undefined {
    return this.isBridge(username) ? undefined : this.#rules.identify({ username, clientId: username });
  }

  /** @throws Error where the registry does not answer */
  async mayConnect({ username, password, clientId }: Connecting): Promise<boolean> {
    if (this.isBridge(username)) return same(password, this.#bridge.password);
    const device = this.deviceOf(username);
    if (!device || password === "" || password.length > 1024) return false;
    if (clientId !== undefined && !ownsClientId(username, clientId)) return false;
    try {
      await this.#rules.verify(device, password);
      return true;
    } catch (error) {
      if (error instanceof CredentialError) return false;
      throw error;
    }
  }

  mayPublish(username: string, topic: string): boolean {
    if (this.isBridge(username)) return true;
    const device = this.deviceOf(username);
    const inner = device && innerTopic(device, topic);
    return device !== undefined && inner !== undefined && this.#isOwn(device, inner, "mayPublish");
  }

  maySubscribe(username: string, filter: string): boolean {
    if (this.isBridge(username)) return true;
    const device = this.deviceOf(username);
    const inner = device && innerTopic(device, filter);
    if (device === undefined || inner === undefined || !this.#isOwn(device, inner, "maySubscribe")) return false;
    this.#subscribing?.(device, inner);
    return true;
  }

  /** Whether a message on this topic may be delivered. */
  mayRead(username: string, topic: string): boolean {
    if (this.isBridge(username)) return true;
    const device = this.deviceOf(username);
    if (!device) return false;
    return DOWNLINKS.some((below) => {
      const filter = outerTopic(device, `devices/${device.deviceId}/${below}`);
      return filter.endsWith("/#") ? topic.startsWith(filter.slice(0, -1)) : topic === filter;
    });
  }

  /** By its id only: at the broker `me` would be anybody. */
  #isOwn(device: DeviceKey, inner: string, rule: "mayPublish" | "maySubscribe"): boolean {
    return this.#rules.canonical(device, inner) === inner && this.#rules[rule](device, inner);
  }
}

/** A client id is its user's: another's would end the other's connection, or take over its session. */
export const ownsClientId = (username: string, clientId: string): boolean =>
  clientId === username || clientId.startsWith(`${username}@`);

/** The topic as dialects know it; undefined where it is another tenant's. */
const innerTopic = ({ tenantId }: DeviceKey, topic: string): string | undefined =>
  topic.startsWith(`${tenantId}/`) ? topic.slice(tenantId.length + 1) : undefined;

function same(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
