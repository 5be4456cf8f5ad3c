/** The only properties that may be there several times (MQTT 5.0 sections 3.3.2.3.7, 3.3.2.3.8). */
const REPEATABLE = ["userProperties", "subscriptionIdentifier"];

interface Packet {
  cmd: string;
  properties?: unknown;
  will?: unknown;
}

/**
 * Throws where a property is given twice or ends before its value does: a protocol error (MQTT 5.0 section 2.2.2.2).
 * The parser hands both on, as an array, and as -1, null or nothing in place of a number; the broker computes with them.
 */
export function refuseMalformedProperties({ cmd, properties, will }: Packet): void {
  check(cmd, properties);
  check(`${cmd}, will`, (will as { properties?: unknown } | null | undefined)?.properties);
}

function check(where: string, properties: unknown): void {
  // The parser reports these by itself, and goes on.
  if (properties === false) throw new Error(`${where}: properties that cannot be read`);
  for (const [name, value] of Object.entries((properties ?? {}) as Record<string, unknown>))
    if (value === undefined || value === null || value === -1 || (Array.isArray(value) && !REPEATABLE.includes(name)))
      throw new Error(`${where}: malformed ${name}`);
}
