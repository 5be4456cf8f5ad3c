import { ConnackError, ReturnCode } from "./connack.ts";
import type { Connection } from "./connection.ts";
import type { EdgeOptions } from "./edge-options.ts";
import { CredentialError, type DeviceKey, type EdgePolicy } from "./edge-policy.ts";
import { Reason } from "./reason.ts";

const GOODBYE_MS = 1000;

type Limits = Pick<Required<EdgeOptions>, "connectTimeoutMs" | "maxClientIdLength">;

/** Lets connections in: credential first, then the place of the one that had the client id before. */
export class Admission {
  readonly #policy: EdgePolicy;
  readonly #limits: Limits;
  /** The connection in charge of each client id. */
  readonly #owners = new Map<string, Connection>();

  constructor(policy: EdgePolicy, limits: Limits) {
    this.#policy = policy;
    this.#limits = limits;
  }

  /**
   * Checks a CONNECT. When it resolves, an older connection with the same client id of the same device is gone.
   *
   * @throws ConnackError
   */
  async admit(connection: Connection, password: Buffer | undefined): Promise<void> {
    const { device, clientId, will } = connection;
    if (clientId.length > this.#limits.maxClientIdLength)
      throw new ConnackError(
        ReturnCode.identifierRejected,
        `client id: over ${this.#limits.maxClientIdLength} characters`,
      );
    if (!device) throw new ConnackError(ReturnCode.notAuthorized, "user name: must be DEVICE or TENANT/DEVICE");
    if (!password?.length) throw new ConnackError(ReturnCode.badUserNameOrPassword, "password: is missing");
    connection.sessionEpoch = await this.#epoch(device, password);
    // A will that could not be published would be lost without a word when it is needed.
    if (will && !this.#policy.mayPublish(device, will.topic))
      throw new ConnackError(ReturnCode.notAuthorized, `will: ${will.topic} is not a topic of this device`);
    await this.#takeOver(connection);
  }

  async #epoch(device: DeviceKey, password: Buffer): Promise<number> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error("the registry does not answer")), this.#limits.connectTimeoutMs);
    try {
      const { sessionEpoch } = await Promise.race([this.#policy.authenticate(device, password.toString()), late]);
      return sessionEpoch;
    } catch (cause) {
      if (cause instanceof CredentialError)
        throw new ConnackError(ReturnCode.badUserNameOrPassword, cause.message, { cause });
      throw new ConnackError(ReturnCode.serverUnavailable, `not checked: ${(cause as Error).message}`, { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the connection that has the client id (MQTT-3.1.4-3), and waits until those before it have ended too. */
  async #takeOver(connection: Connection): Promise<void> {
    const { id } = connection.client;
    if (connection.client.closed) return;
    const before = this.#owners.get(id);
    this.#owners.set(id, connection);
    void connection.ended.then(() => {
      if (this.#owners.get(id) === connection) this.#owners.delete(id);
    });
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
}
