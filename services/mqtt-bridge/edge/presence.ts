import type { Connection } from "./connection.ts";
import type { Options } from "./edge-options.ts";
import type { DeviceKey, DisconnectReason, EdgePolicy } from "./edge-policy.ts";

/** Reasons that say less than that the will was published. */
const BROKEN: ReadonlySet<DisconnectReason> = new Set(["network", "keep-alive"]);
/** Connections that are reported in one turn of the event loop. */
const CHUNK = 500;

/** Tells the platform of its devices' connections: their beginnings, their ends, and who was heard of. */
export class Presence {
  readonly #policy: EdgePolicy;
  readonly #options: Pick<Options, "now" | "seenIntervalMs">;
  readonly #connections = new Set<Connection>();
  readonly #timer: NodeJS.Timeout;
  #reportedAt = 0;

  constructor(policy: EdgePolicy, options: Pick<Options, "now" | "seenIntervalMs">) {
    this.#policy = policy;
    this.#options = options;
    this.#timer = setInterval(() => void this.#report(), options.seenIntervalMs).unref();
  }

  get connections(): ReadonlySet<Connection> {
    return this.#connections;
  }

  /** Resolves when the fact is durable. */
  enter(connection: Connection, device: DeviceKey, keepAliveSeconds: number): Promise<void> {
    this.#connections.add(connection);
    const { sessionEpoch } = connection;
    return this.#policy.connected(device, { sessionEpoch, keepAliveSeconds, at: this.#options.now() });
  }

  leave(connection: Connection, device: DeviceKey): void {
    this.#connections.delete(connection);
    this.#disconnected(device, connection.sessionEpoch, connection.leaving ?? "network");
  }

  /** A connection's will was published: at its end, or after its delay. */
  willPublished(connection: Connection, device: DeviceKey): void {
    const { leaving = "network" } = connection;
    if (!connection.left) {
      if (BROKEN.has(leaving)) connection.leaving = "will";
    } else if (BROKEN.has(leaving)) this.#disconnected(device, connection.sessionEpoch, "will");
  }

  /** A connection that ended with a former process. */
  leftBehind(device: DeviceKey, sessionEpoch: number, reason: DisconnectReason): void {
    this.#disconnected(device, sessionEpoch, reason);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #disconnected(device: DeviceKey, sessionEpoch: number, reason: DisconnectReason): void {
    this.#policy.disconnected(device, { sessionEpoch, reason, at: this.#options.now() });
  }

  /** Each connection is told of: while one lives its device is connected. */
  async #report(): Promise<void> {
    const since = this.#reportedAt;
    this.#reportedAt = this.#options.now();
    let count = 0;
    // One that ends meanwhile is left out.
    for (const { device, sessionEpoch, seenAt } of this.#connections) {
      if (!device || seenAt < since) continue;
      this.#policy.seen(device, { sessionEpoch, at: seenAt });
      if (++count % CHUNK === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
