/** What goes wrong on purpose, and how often. A share is of the messages, of the devices for `slowReader`. */
export interface Faults {
  lossOfConnection: number;
  duplicates: number;
  reordering: number;
  /** Furthest that a device's clock is wrong, either way. */
  clockSkewMs: number;
  slowReader: number;
}

/** What was done in one run. */
export class FaultCounts {
  lossesOfConnection = 0;
  duplicates = 0;
  reordered = 0;
  skewedDevices = 0;
  slowReaders = 0;

  toString(): string {
    const { lossesOfConnection, duplicates, reordered, skewedDevices, slowReaders } = this;
    return (
      `${lossesOfConnection} losses of connection, ${duplicates} duplicates, ${reordered} reordered, ` +
      `${skewedDevices} clocks wrong, ${slowReaders} slow readers`
    );
  }
}

export const FAULTS_USAGE = `faults, by the seed (--seed goes with --replay, too, then):
  --fault LIST         of NAME=VALUE, with commas between; SHARE is a number from 0 to 1

    loss-of-connection=SHARE   of the messages begin a loss: the connection ends in the middle of a packet, without
                               DISCONNECT, and the acknowledgements of up to 8 messages are lost with it
    duplicates=SHARE           of the messages are sent again, after up to 5 others of their device
    reordering=SHARE           of the messages are sent after up to 5 later ones of their device
    clock-skew=DURATION        a device's clock is wrong by up to so much, either way: 250ms, 5s, 2m, 1h
    slow-reader[=SHARE]        of the devices (1 where left out) take their answers twice a second only
`;

const MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const SKEW_MS_MAX = 366 * 24 * MS.h;
const SHARES = {
  "loss-of-connection": "lossOfConnection",
  duplicates: "duplicates",
  reordering: "reordering",
  "slow-reader": "slowReader",
} as const;

/** @throws Error naming the fault that is unknown, given twice or out of its range. */
export function parseFaults(list: string): Faults {
  const faults: Faults = { lossOfConnection: 0, duplicates: 0, reordering: 0, clockSkewMs: 0, slowReader: 0 };
  const given = new Set<string>();
  for (const part of list.split(",")) {
    const [name = "", value] = part.trim().split(/=(.*)/s, 2);
    if (given.has(name)) throw new Error(`${name} is given twice`);
    given.add(name);
    if (name === "clock-skew") faults.clockSkewMs = skewMs(value);
    else if (name in SHARES) faults[SHARES[name as keyof typeof SHARES]] = share(name, value);
    else throw new Error(`'${name}' is none of ${[...Object.keys(SHARES), "clock-skew"].join(", ")}`);
  }
  return faults;
}

function share(name: string, value = name === "slow-reader" ? "1" : ""): number {
  const number = value === "" ? Number.NaN : Number(value);
  if (number >= 0 && number <= 1) return number;
  throw new Error(`${name} must be a share from 0 to 1, as in ${name}=0.05, is ${JSON.stringify(value)}`);
}

function skewMs(value = ""): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(value) ?? [];
  const ms = Number(number) * MS[unit as keyof typeof MS];
  if (ms <= SKEW_MS_MAX) return ms;
  throw new Error(`clock-skew must be a duration up to 8784h, as in clock-skew=5s, is ${JSON.stringify(value)}`);
}
