/** MQTT packets byte by byte, for what no client library sends. */

/** A packet: its first byte, and what follows the length. */
export function packet(first: number, ...parts: readonly (Buffer | readonly number[])[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([Buffer.of(first), varInt(body.length), body]);
}

/** A text, or bytes that are none, behind their length. */
export function text(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes]);
}

/** Properties behind their length, from hexadecimal. */
export function properties(hex: string): Buffer {
  const bytes = Buffer.from(hex, "hex");
  return Buffer.concat([varInt(bytes.length), bytes]);
}

function varInt(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 127) | 128);
  }
}
