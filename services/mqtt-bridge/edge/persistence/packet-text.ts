import type { AedesPublishPacket } from "aedes";

/** A packet as the broker queues it: a PUBLISH, or the PUBREL that has taken its place. */
export type QueuedPacket = Partial<Omit<AedesPublishPacket, "cmd">> & {
  cmd: "publish" | "pubrel";
  messageId?: number;
  /** When it is not to be delivered any more, milliseconds since 1970. */
  messageExpiry?: number;
};

/** The fields of a packet as text, its payload apart: bytes stay bytes in the file. */
export function packetText(packet: object): { text: string; payload: Uint8Array | string | null } {
  const { payload, ...fields } = packet as { payload?: Buffer | string };
  return { text: JSON.stringify(fields), payload: payload ?? null };
}

export function packetOf(text: unknown, payload: unknown): QueuedPacket {
  const packet = JSON.parse(String(text), revive) as QueuedPacket;
  if (payload !== null) packet.payload = typeof payload === "string" ? payload : Buffer.from(payload as Uint8Array);
  return packet;
}

/** Correlation data is the one property of bytes; a user property can't be mistaken for it, since its values are text. */
function revive(_key: string, value: unknown): unknown {
  const { type, data } = (value ?? {}) as { type?: unknown; data?: unknown };
  if (type !== "Buffer" || !Array.isArray(data) || !data.every(Number.isInteger)) return value;
  return Buffer.from(data as number[]);
}
