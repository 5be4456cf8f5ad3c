import { AnswerTooLargeError, MessageTooLargeError } from "./errors.ts";

/** A packet as Moleculer's transit makes it; the response's fields are those that are looked at. */
export interface Packet {
  type: string;
  target?: string | null;
  payload: Record<string, unknown>;
}

/**
 * What is sent in place of a packet that the transporter cannot carry: of an answer the error, so that whoever waits for
 * it is told.
 *
 * @throws MessageTooLargeError of any other packet.
 */
export function instead(packet: Packet | undefined, bytesMax: number): Packet {
  if (packet?.type !== "RES") throw new MessageTooLargeError(bytesMax);
  const { name, message, code, type } = new AnswerTooLargeError(bytesMax);
  const { id, meta, ver, sender } = packet.payload;
  const error = { name, message, code, type, retryable: false };
  return { ...packet, payload: { ver, sender, id, meta, success: false, data: null, error } };
}
