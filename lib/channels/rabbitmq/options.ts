import type { AdapterOptions } from "../base-adapter.ts";
import type { WorkLimits } from "../work-times.ts";

export interface RabbitmqWorkOptions extends AdapterOptions, Partial<WorkLimits> {
  /** `amqp://` or `amqps://`, with user, password and virtual host. */
  url: string;
  /** Names of all channels, without prefix: AMQP cannot be asked which queues there are. `depths` tells of these. */
  channels?: readonly string[];
  /** Items of one channel at most; publishing above it is refused with 429. Holds for dead letters too. @default 100000 */
  depthMax?: number;
  /** Items that may wait for their confirmation. @default 20000 */
  pendingMax?: number;
  /** Items that one consumer works on at once, where it does not say. @default 10 */
  maxInFlight?: number;
  /** Longest payload, characters of JSON text. @default 16777216 */
  payloadCharsMax?: number;
  /** After this an item whose process hangs goes to another taker, milliseconds: by heartbeats. @default 30000 */
  leaseMs?: number;
  /** How long a confirmation is waited for, milliseconds. @default 30000 */
  confirmTimeoutMs?: number;
  /** How long one attempt to connect may take, milliseconds. @default 5000 */
  connectTimeoutMs?: number;
}

/** The broker gives a peer up after two to three of them. What the URL says comes first. */
export function heartbeatOf({ url, leaseMs = 30_000 }: RabbitmqWorkOptions): number {
  const asked = Number(new URL(url).searchParams.get("heartbeat"));
  return asked >= 1 ? Math.floor(asked) : Math.max(1, Math.floor(leaseMs / 3000));
}
