import { isUtf8 } from "node:buffer";
import { ChannelPayloadError } from "./errors.ts";

/**
 * The JSON text of a payload; with `raw` it is that already, as a string or as UTF-8 bytes.
 *
 * @throws ChannelPayloadError naming the channel.
 */
export function payloadText(channel: string, payload: unknown, raw: boolean | undefined, charsMax: number): string {
  const text = raw ? rawText(channel, payload) : jsonText(channel, payload);
  if (text === undefined)
    throw new ChannelPayloadError(
      `payload of ${channel}: ${raw ? "must be a string or a Buffer when raw" : `${typeof payload} has no JSON form`}`,
    );
  if (text.length > charsMax)
    throw new ChannelPayloadError(`payload of ${channel}: ${text.length} characters, at most ${charsMax} are allowed`);
  return text;
}

function rawText(channel: string, payload: unknown): string | undefined {
  if (typeof payload === "string") return payload;
  if (!(payload instanceof Uint8Array)) return undefined;
  // Decoding would replace such bytes, and nobody would ever see what was sent.
  if (!isUtf8(payload)) throw new ChannelPayloadError(`payload of ${channel}: is not UTF-8`);
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString();
}

function jsonText(channel: string, payload: unknown): string | undefined {
  try {
    return JSON.stringify(payload);
  } catch (cause) {
    throw new ChannelPayloadError(`payload of ${channel}: ${(cause as Error).message}`, { cause });
  }
}
