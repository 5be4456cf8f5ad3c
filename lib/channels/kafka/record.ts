import type { KafkaMessage } from "kafkajs";
import { ChannelPayloadError } from "../errors.ts";
import type { RawMessage } from "../message.ts";
import { REDRIVE_GROUP } from "../redrive.ts";

/** A message with the partition it came from. */
export interface PartitionRecord {
  partition: number;
  message: KafkaMessage;
}

const textOfHeader = (value: KafkaMessage["headers"] extends infer H | undefined ? H[keyof H] : never): string =>
  String(Array.isArray(value) ? value[0] : value);

/** What a handler learns of it. Its position is `partition:offset`. */
export function rawOf({ partition, message }: PartitionRecord): RawMessage {
  const headers: Record<string, string> = {};
  for (const name in message.headers) headers[name] = textOfHeader(message.headers[name]);
  return {
    position: `${partition}:${message.offset}`,
    key: message.key === null ? null : message.key.toString(),
    headers,
    timestamp: Number(message.timestamp),
  };
}

export const textOf = ({ message }: PartitionRecord): string => message.value?.toString() ?? "";

export function payloadOf(record: PartitionRecord): unknown {
  try {
    return JSON.parse(textOf(record));
  } catch {
    // Without its cause, which would carry the payload into the log.
    throw new ChannelPayloadError(`Message ${record.partition}:${record.message.offset} is not JSON.`);
  }
}

/** Whether it goes to one group that is another than this. */
export const isForAnother = ({ headers }: KafkaMessage, group: string): boolean => {
  const wanted = headers?.[REDRIVE_GROUP];
  return wanted !== undefined && textOfHeader(wanted) !== group;
};

/** Behind the last message of a batch that begins at `from`; one message alone may have more than the bytes. */
export function batchEnd(messages: readonly KafkaMessage[], from: number, countMax: number, bytesMax: number): number {
  const most = Math.min(from + countMax, messages.length);
  let bytes = 0;
  for (let at = from; at < most; at++) {
    bytes += messages[at]?.value?.length ?? 0;
    if (bytes > bytesMax && at > from) return at;
  }
  return most;
}
