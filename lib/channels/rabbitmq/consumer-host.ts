import type { ConsumeMessage } from "amqplib";
import type { Channel } from "../base-adapter.ts";
import type { DeadCause } from "../dead-cause.ts";
import type { OutcomeRules } from "../work-outcome.ts";
import type { RabbitItem } from "./item.ts";
import type { QueueLook } from "./topology.ts";

export interface ConsumerOptions extends OutcomeRules {
  /** Items in work at once: what the broker hands out without having been told of an end. */
  maxInFlight: number;
}

/** What a consumer needs of its adapter. */
export interface ConsumerHost {
  /** Declares the channel's queues. */
  ensure(channel: string): Promise<void>;
  /** What the channel's queue tells; undefined where it is gone. */
  look(channel: string): Promise<QueueLook | undefined>;
  processItem(item: ItemInWork): Promise<void>;
  /** Confirms a copy that waits until it is due, or its time is up. */
  postpone(chan: Channel, item: RabbitItem, content: Buffer): Promise<void>;
  /** Confirms a dead letter. */
  bury(chan: Channel, item: Delivered, cause: DeadCause, error: unknown): Promise<void>;
  /** Whoever takes dead letters is told by the queue's headers what no consumer had written. */
  readable(chan: Channel, item: RabbitItem, message: ConsumeMessage): RabbitItem;
  failed(chan: Channel, error: unknown, item: RabbitItem): void;
  troubled(chan: Channel, error: unknown): void;
  active(chan: Channel, position: number, begins: boolean): void;
  /** This process hung: what comes now may be others' already. */
  stalled(): boolean;
}

/** An item that was delivered. */
export interface ItemInWork {
  /** Runs the handler. @throws what the handler throws */
  handle(): Promise<void>;
  /** Ends the item. */
  done(): void;
}

export interface Delivered {
  item: RabbitItem;
  content: Buffer;
}
