import type { Position } from "./message.ts";

/**
 * Where a group goes on: the next message it takes, or the first one not older than a time. With partitions a position
 * lists them (`0:17,1:4`); those that it leaves out stay where they are.
 */
export type SeekTarget = { position: Position } | { time: Date };

/** What operators may ask and order; channel names without prefix. */
export interface FactsAdmin {
  /** Position of the next message that the group will take; with partitions a list, `0:17,1:4`. @throws GroupNotFoundError */
  position(channel: string, group: string): Promise<Position>;
  /** Messages that the group has not committed yet. @throws GroupNotFoundError */
  lag(channel: string, group: string): Promise<number>;
  /** Lag of every group that ever consumed a channel. */
  lags(): Promise<{ channel: string; group: string; lag: number }[]>;
  /** Replays from there; a running consumer goes there after its current batch. @throws GroupNotFoundError */
  seek(channel: string, group: string, target: SeekTarget): Promise<void>;
}
