// npm run simulate -- [OPTIONS]: devices for demonstrations and tests, on the other side of the wire. See --help.
import { FaultPlan } from "./fault-plan.ts";
import { FaultCounts } from "./faults.ts";
import { faultyMessages } from "./faulty-messages.ts";
import { Fleet } from "./fleet.ts";
import { deviceIds, generatedMessages } from "./generated.ts";
import { OptionError, type Options, parseOptions, USAGE } from "./options.ts";
import { Progress } from "./progress.ts";
import { Recorder } from "./recorder.ts";
import { Registry } from "./registry.ts";
import { replayedMessages } from "./replay.ts";
import { publishAll } from "./run.ts";

function optionsOrLeave(): Options {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    if (error instanceof OptionError) return leave(error.message);
    throw error;
  }
}

function leave(message: string): never {
  process.stderr.write(`simulate: ${message}\n`);
  process.exit(1);
}

const options = optionsOrLeave();
if (options.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}

const interruption = new AbortController();
const interrupted = interruption.signal;
process.on("SIGINT", () => {
  if (interrupted.aborted) leave(`interrupted twice, ${fleet.inFlight} messages not acknowledged`);
  interruption.abort();
});

const progress = new Progress();
const recorder = options.record === undefined ? undefined : new Recorder(options.record);
const { faults } = options;
const planOf = faults && ((deviceId: string) => new FaultPlan(faults, options.seed, deviceId));
const counts = new FaultCounts();
const readsSlowly = (deviceId: string) => {
  const slow = planOf?.(deviceId).slowReader ?? false;
  if (slow) counts.slowReaders++;
  return slow;
};
if (faults) progress.faults = counts;
const fleet = new Fleet({ ...options, readsSlowly }, new Registry(options.url), progress, recorder);
const ticking = setInterval(() => process.stderr.write(`${progress.line(fleet.inFlight)}\n`), 1000);
try {
  if (options.replay === undefined) await fleet.addAll(deviceIds(options), interrupted);
  progress.begin();
  const { replay, durationSeconds } = options;
  // What is generated ends by its number of messages, so that the same options send the same.
  const timeIsUp = replay !== undefined && durationSeconds ? [AbortSignal.timeout(durationSeconds * 1000)] : [];
  const stop = AbortSignal.any([interrupted, ...timeIsUp]);
  const messages = replay === undefined ? generatedMessages(options) : replayedMessages(options, progress, stop);
  await publishAll(planOf ? faultyMessages(messages, planOf, counts) : messages, fleet, {
    ...options,
    stop,
    interrupted,
  });
  await recorder?.close();
} catch (error) {
  leave((error as Error).message);
}
clearInterval(ticking);
process.stdout.write(`${progress.closing(fleet.inFlight)}\n`);
if (options.report) process.stdout.write(`${JSON.stringify(progress.report(fleet.inFlight))}\n`);
const complete = progress.refused === 0 && fleet.inFlight === 0;
if (complete) await fleet.close();
process.exit(complete ? 0 : 1);
