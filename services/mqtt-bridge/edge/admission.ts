import { ConnackError, Refused } from "./connack.ts";
import type { Connection } from "./connection.ts";
import type { EdgeOptions } from "./edge-options.ts";
import { CredentialError, type DeviceKey, type EdgePolicy } from "./edge-policy.ts";
import type { MessageRate } from "./message-rate.ts";
import { Reason } from "./reason.ts";

const GOODBYE_MS = 1000;

type Limits = Pick<Required<EdgeOptions>, "connectTimeoutMs" | "maxClientIdLength" | "maxConnectionsPerDevice" | "now">;

/**
 * Lets connections in: credential first, then what the device may have of connections, then the place of the one that
 * had the client id before.
 */
export class Admission {
  readonly #policy: EdgePolicy;
  readonly #limits: Limits;
  readonly #rate: MessageRate | undefined;
  /** The connection in charge of each client id, by device. */
  readonly #owners = new Map<string, Map<string, Connection>>();

  /** @param rate of control packets, which a CONNECT is one of */
  constructor(policy: EdgePolicy, limits: Limits, rate?: MessageRate) {
    this.#policy = policy;
    this.#limits = limits;
    this.#rate = rate;
  }

  /**
   * Checks a CONNECT. When it resolves, an older connection with the same client id of the same device is gone.
   *
   * @throws ConnackError
   */
  async admit(connection: Connection, password: Buffer | undefined): Promise<void> {
    const { device, clientId, prefix, will } = connection;
    if (clientId.length > this.#limits.maxClientIdLength)
      throw new ConnackError(Refused.identifier, `client id: over ${this.#limits.maxClientIdLength} characters`);
    if (!device) throw new ConnackError(Refused.notAuthorized, "user name: must be DEVICE or TENANT/DEVICE");
    if (!password?.length) throw new ConnackError(Refused.credential, "password: is missing");
    // A device that comes back in haste is not to keep the registry busy.
    if (this.#rate?.isExhausted(prefix, this.#nowMs())) throw tooOften();
    connection.sessionEpoch = await this.#epoch(device, password);
    this.#count(connection);
    // A will that could not be published would be lost without a word when it is needed.
    if (will && !this.#policy.mayPublish(device, will.topic))
      throw new ConnackError(Refused.notAuthorized, `will: ${will.topic} is not a topic of this device`);
    await this.#takeOver(connection);
  }

  /** After the credential was accepted: who does not have it must not use up what the device may do. */
  #count(connection: Connection): void {
    const rate = this.#rate?.enter(connection.prefix);
    if (!rate) return;
    const within = rate.take(this.#nowMs());
    // Gone meanwhile: nobody would count it out.
    if (connection.left) rate.leave();
    else connection.controlRate = rate;
    if (!within) throw tooOften();
  }

  #nowMs(): number {
    return this.#limits.now() / 1000;
  }

  async #epoch(device: DeviceKey, password: Buffer): Promise<number> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error("the registry does not answer")), this.#limits.connectTimeoutMs);
    try {
      const { sessionEpoch } = await Promise.race([this.#policy.authenticate(device, password.toString()), late]);
      return sessionEpoch;
    } catch (cause) {
      if (cause instanceof CredentialError) throw new ConnackError(Refused.credential, cause.message, { cause });
      throw new ConnackError(Refused.unavailable, `not checked: ${(cause as Error).message}`, { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the connection that has the client id (MQTT-3.1.4-3), and waits until those before it have ended too. */
  async #takeOver(connection: Connection): Promise<void> {
    if (connection.client.closed) return;
    const before = this.#own(connection);
    if (!before) return;
    before.leaving ??= "taken-over";
    if (before.client.connecting) before.client.close();
    else before.drop(Reason.sessionTakenOver);
    // Its socket may be full and dead: the reason is worth a moment, no more.
    const cut = setTimeout(() => before.client.close(), GOODBYE_MS);
    connection.alone = before.alone.then(() => before.ended);
    await connection.alone;
    clearTimeout(cut);
  }

  /** Puts the connection in charge of its client id; gives the one that was. @throws ConnackError */
  #own(connection: Connection): Connection | undefined {
    const { client, prefix } = connection;
    const { id } = client;
    const { maxConnectionsPerDevice: max } = this.#limits;
    const own = this.#owners.get(prefix) ?? new Map<string, Connection>();
    const before = own.get(id);
    if (!before && max > 0 && own.size >= max)
      throw new ConnackError(Refused.quotaExceeded, `the device has ${max} connections`);
    this.#owners.set(prefix, own.set(id, connection));
    void connection.ended.then(() => {
      if (own.get(id) === connection) own.delete(id);
      if (own.size === 0 && this.#owners.get(prefix) === own) this.#owners.delete(prefix);
    });
    return before;
  }
}

const tooOften = () => new ConnackError(Refused.connectionRate, "the device connects too often");
