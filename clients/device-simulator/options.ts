import { parseArgs } from "node:util";
import { FAULTS_USAGE, type Faults, parseFaults } from "./faults.ts";

export const USAGE = `npm run simulate -- [OPTIONS]

Registers devices over REST, makes a credential for each (replacing a former one) and publishes their telemetry.

  --url URL            REST of the platform                        http://127.0.0.1:3000
  --mqtt URL           its MQTT                                    mqtt://127.0.0.1:1883
  --version 4|5        MQTT 3.1.1 or 5                             5
  --qos 0|1                                                        1
  --inflight N         unacknowledged messages of one device       100
  --prefix TEXT        before every device id                      sim- (generated), none (replayed)
  --duration SECONDS   } how long, or how many messages; else until the end of the
  --count N            } recording or Ctrl-C
  --drain SECONDS      wait for acknowledgements after Ctrl-C      10
  --report             a last line of JSON
  --record FILE        writes what was acknowledged, each message once, as a recording for --replay

generated:
  --devices N                                                      10
  --rate N             messages per second, of all devices         10
  --metrics N          values of one message                       3
  --seed N             the same seed, the same values              1

replayed:
  --replay FILE        .csv, .csv.gz, .jsonl, .jsonl.gz, or - for lines of JSON on standard input
  --speed N|max        times as fast as recorded, or as fast as acknowledged    1
  --start now|recorded shift the times so that the first is now, or keep them   recorded

${FAULTS_USAGE}`;

/** An option is wrong; the message names it. */
export class OptionError extends Error {
  override name = "OptionError";
}

const text = { type: "string" } as const;
const flag = { type: "boolean", default: false } as const;
const known = {
  ...{ url: text, mqtt: text, version: text, qos: text, inflight: text, prefix: text, duration: text, count: text },
  ...{ drain: text, devices: text, rate: text, metrics: text, seed: text, replay: text, speed: text, start: text },
  ...{ fault: text, record: text },
  ...{ report: flag, help: flag },
} as const;
const GENERATED_ONLY = ["devices", "rate", "metrics"] as const;
const REPLAYED_ONLY = ["speed", "start"] as const;

export type Options = ReturnType<typeof parseOptions>;

/** @throws OptionError naming the option that is unknown, out of its range or does not go with the others. */
export function parseOptions(args: string[]) {
  const values = parsed(args);
  const number = (name: keyof typeof values, fallback: number, min: number, max: number, whole = true) => {
    const given = values[name];
    if (given === undefined) return fallback;
    const value = given === "" ? Number.NaN : Number(given);
    if (!(value >= min && value <= max) || (whole && !Number.isInteger(value)))
      throw new OptionError(`--${name} must be a ${whole ? "whole " : ""}number from ${min} to ${max}, is ${given}`);
    return value;
  };
  const optional = (name: keyof typeof values, max: number, whole: boolean) =>
    values[name] === undefined ? undefined : number(name, 0, whole ? 1 : 0.001, max, whole);
  const choice = <T extends string>(name: keyof typeof values, choices: readonly [T, ...T[]]): T => {
    const given = values[name] ?? choices[0];
    if (!choices.includes(given as T)) throw new OptionError(`--${name} must be ${choices.join(" or ")}, is ${given}`);
    return given as T;
  };

  for (const name of values.replay === undefined ? REPLAYED_ONLY : GENERATED_ONLY)
    if (values[name] !== undefined)
      throw new OptionError(`--${name} goes ${values.replay === undefined ? "only" : "not"} with --replay`);
  if (values.seed !== undefined && values.replay !== undefined && values.fault === undefined)
    throw new OptionError("--seed goes with --replay only where there is --fault");
  const prefix = values.prefix ?? (values.replay === undefined ? "sim-" : "");
  if (!/^[A-Za-z0-9._:-]{0,100}$/.test(prefix))
    throw new OptionError(`--prefix must be up to 100 characters of A-Z a-z 0-9 . _ : -, is ${prefix}`);
  return {
    help: values.help,
    report: values.report,
    url: url("url", values.url ?? "http://127.0.0.1:3000", ["http:", "https:"]),
    mqtt: url("mqtt", values.mqtt ?? "mqtt://127.0.0.1:1883", ["mqtt:", "mqtts:", "ws:", "wss:"]),
    version: Number(choice("version", ["5", "4"])) as 4 | 5,
    qos: Number(choice("qos", ["1", "0"])) as 0 | 1,
    inflight: number("inflight", 100, 1, 65_535),
    prefix,
    durationSeconds: optional("duration", 31_536_000, false),
    count: optional("count", Number.MAX_SAFE_INTEGER, true),
    drainSeconds: number("drain", 10, 0, 3600, false),
    devices: number("devices", 10, 1, 100_000),
    rate: number("rate", 10, 0.001, 1_000_000, false),
    metrics: number("metrics", 3, 1, 100),
    faults: values.fault === undefined ? undefined : faultsOf(values.fault),
    record: values.record,
    seed: number("seed", 1, 0, 0xffff_ffff),
    replay: values.replay,
    speed: values.speed === "max" ? Number.POSITIVE_INFINITY : number("speed", 1, 0.001, 1_000_000, false),
    start: choice("start", ["recorded", "now"]),
  };
}

function faultsOf(list: string): Faults {
  try {
    return parseFaults(list);
  } catch (error) {
    throw new OptionError(`--fault ${(error as Error).message}`);
  }
}

function parsed(args: string[]) {
  try {
    return parseArgs({ args, options: known, strict: true }).values;
  } catch (error) {
    throw new OptionError(`${(error as Error).message.split(". ")[0]}; see --help`);
  }
}

function url(name: string, given: string, protocols: string[]): string {
  const parsedUrl = URL.canParse(given) ? new URL(given) : undefined;
  if (!parsedUrl || !protocols.includes(parsedUrl.protocol))
    throw new OptionError(
      `--${name} must be a URL that begins with ${protocols.map((p) => `${p}//`).join(" or ")}, is ${given}`,
    );
  return given.replace(/\/+$/, "");
}
