import { readFileSync } from "node:fs";

/** What the store holds, held against what was acknowledged and what was sent. */
export interface Verdict {
  acknowledged: number;
  stored: number;
  /** Acknowledged and not stored. */
  lost: number;
  /** Stored more than once. */
  doubled: number;
  /** Stored and never sent, or stored with another time than it was sent with. */
  unknown: number;
}

/** Numbers of the acknowledged messages of each device, from the publisher's log. */
export function acknowledgedOf(logFile: string): Map<string, Set<number>> {
  const acknowledged = new Map<string, Set<number>>();
  for (const line of readFileSync(logFile, "utf8").split("\n").filter(Boolean)) {
    const [device = "", n] = line.split(" ");
    if (!acknowledged.has(device)) acknowledged.set(device, new Set());
    acknowledged.get(device)?.add(Number(n));
  }
  return acknowledged;
}

/**
 * Judges one device.
 *
 * @param stored - number and time (milliseconds since 1970) of each stored reading
 * @param timeOf - the time that a message of this number was sent with; undefined when it was not sent
 */
export function judge(
  acknowledged: ReadonlySet<number>,
  stored: readonly { n: number; ms: number }[],
  timeOf: (n: number) => number | undefined,
): Verdict {
  const times = new Map<number, number>();
  let unknown = 0;
  for (const { n, ms } of stored) {
    times.set(n, (times.get(n) ?? 0) + 1);
    if (timeOf(n) !== ms) unknown++;
  }
  return {
    acknowledged: acknowledged.size,
    stored: stored.length,
    lost: [...acknowledged].filter((n) => !times.has(n)).length,
    doubled: [...times.values()].filter((count) => count > 1).length,
    unknown,
  };
}
