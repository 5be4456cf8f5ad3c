import { setTimeout as sleep } from "node:timers/promises";
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
  /** Ends that are not known for good yet. */
  readonly #telling = new Set<Promise<void>>();
  readonly #ended: (device: DeviceKey, sessionEpoch: number) => void;
  readonly #timer: NodeJS.Timeout;
  #reportedAt = 0;

  /** @param ended called when a connection's end is durable */
  constructor(
    policy: EdgePolicy,
    options: Pick<Options, "now" | "seenIntervalMs">,
    ended: (device: DeviceKey, sessionEpoch: number) => void,
  ) {
    this.#ended = ended;
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

  /** Ends when all ends are durable, or after `limitMs`: the others are told of after the next start. */
  async stop(limitMs: number): Promise<void> {
    clearInterval(this.#timer);
    const late = new AbortController();
    await Promise.race([
      Promise.allSettled(this.#telling),
      sleep(limitMs, undefined, { signal: late.signal }).catch(() => {}),
    ]);
    late.abort();
  }

  #disconnected(device: DeviceKey, sessionEpoch: number, reason: DisconnectReason): void {
    const telling = this.#policy
      .disconnected(device, { sessionEpoch, reason, at: this.#options.now() })
      .then(
        () => this.#ended(device, sessionEpoch),
        () => {},
      )
      .finally(() => this.#telling.delete(telling));
    this.#telling.add(telling);
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
