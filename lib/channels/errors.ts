import { isMongoAway } from "../mongo/mongo-away.ts";

/**
 * The engine behind a call is away (disk full, database unreachable, queue full): no message is at fault. A consumer
 * that throws it is retried in place until the engine is back; an edge answers "try again later".
 */
export class EngineUnavailableError extends Error {
  override name = "EngineUnavailableError";
  readonly outage = true;
  readonly retryable = true;
  readonly code: number = 503;
  readonly type: string = "ENGINE_UNAVAILABLE";
}

/** 503: the channel is not connected yet, or stopping. Nothing was stored. */
export class ChannelNotConnectedError extends EngineUnavailableError {
  override name = "ChannelNotConnectedError";
  override readonly type = "CHANNEL_NOT_CONNECTED";

  constructor() {
    super("The channel is not connected.");
  }
}

/** 429: more messages wait for their commit than the channel allows. Nothing was stored; slow down and try again. */
export class ChannelFullError extends EngineUnavailableError {
  override name = "ChannelFullError";
  override readonly code = 429;
  override readonly type = "CHANNEL_FULL";

  constructor(pending: number) {
    super(`The channel is full: ${pending} messages wait for their commit.`);
  }
}

/** 429: the work channel holds as many items as it may. Nothing was stored; slow down and try again. */
export class ChannelDepthError extends EngineUnavailableError {
  override name = "ChannelDepthError";
  override readonly code = 429;
  override readonly type = "CHANNEL_FULL";

  constructor(channel: string, depthMax: number) {
    super(`Channel '${channel}' is full: it holds ${depthMax} items.`);
  }
}

/** To be thrown by a handler that knows when trying again is worth it. */
export class RetryLaterError extends Error {
  override name = "RetryLaterError";
  readonly retryable = true;
  readonly code = 503;
  readonly type = "RETRY_LATER";
  /** Wait before the next delivery, milliseconds. */
  readonly delayMs: number;

  constructor(message: string, delayMs: number) {
    super(message);
    this.delayMs = delayMs;
  }
}

/** 503: the engine refused the commit (`cause` says why). Whoever publishes must take the messages as not stored. */
export class ChannelCommitError extends EngineUnavailableError {
  override name = "ChannelCommitError";
  override readonly type = "CHANNEL_COMMIT_FAILED";

  constructor(cause: unknown) {
    super(`The channel could not commit: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** 503: the broker has no queue of that name; it is made again with the next message. Nothing was stored. */
export class ChannelUnroutableError extends EngineUnavailableError {
  override name = "ChannelUnroutableError";
  override readonly type = "CHANNEL_UNROUTABLE";

  constructor(queue: string) {
    super(`There is no queue '${queue}'.`);
  }
}

/** 422: not what a channel can carry: not serializable, not JSON text, too large, or too many messages at once. */
export class ChannelPayloadError extends Error {
  override name = "ChannelPayloadError";
  readonly retryable = false;
  readonly code = 422;
  readonly type = "CHANNEL_PAYLOAD";
}

/** 404: the group has never consumed the channel. */
export class GroupNotFoundError extends Error {
  override name = "GroupNotFoundError";
  readonly retryable = false;
  readonly code = 404;
  readonly type = "GROUP_NOT_FOUND";

  constructor(channel: string, group: string) {
    super(`Group '${group}' has never consumed channel '${channel}'.`);
  }
}

/** 409: the group has a consumer that runs. */
export class GroupActiveError extends Error {
  override name = "GroupActiveError";
  readonly retryable = false;
  readonly code = 409;
  readonly type = "GROUP_ACTIVE";

  constructor(channel: string, group: string) {
    super(`Group '${group}' of channel '${channel}' has a running consumer.`);
  }
}

/** Whether nobody's message is at fault. Compared by property, since a class does not survive the way between nodes. */
export const isOutage = (error: unknown): boolean =>
  (error as { outage?: unknown } | undefined)?.outage === true || isMongoAway(error);

/** Whether the error says itself that a retry cannot help. */
export const isFinal = (error: unknown): boolean => (error as { retryable?: unknown } | undefined)?.retryable === false;
