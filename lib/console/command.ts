import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import type { ChannelBroker } from "../channels/middlewares.ts";
import type { TypedBroker } from "../service.ts";

/** Where a command runs and what it may use. */
export interface Session {
  broker: TypedBroker & ChannelBroker;
  print(line: string): void;
  /** Aborted when whoever gave the command does not want its answer any more. */
  signal: AbortSignal;
}

/** Something an operator may ask a running platform for. */
export interface Command {
  name: string;
  /** What stands behind the name. */
  usage: string;
  summary: string;
  run(args: readonly string[], session: Session): Promise<void>;
}

/** The command cannot be done as it was given; the message says why. */
export class CommandError extends Error {
  override name = "CommandError";
}

/** Options and words of a command. @throws CommandError */
export function argumentsOf<const Options extends ParseArgsOptionsConfig>(
  { name, usage }: Pick<Command, "name" | "usage">,
  args: readonly string[],
  options: Options,
  words: { min: number; max: number },
) {
  try {
    const parsed = parseArgs({ args: [...args], options, allowPositionals: true });
    if (parsed.positionals.length >= words.min && parsed.positionals.length <= words.max) return parsed;
  } catch (error) {
    throw new CommandError(`${(error as Error).message}; usage: ${name} ${usage}`);
  }
  throw new CommandError(`usage: ${name} ${usage}`);
}

/** A whole number within bounds. @throws CommandError naming the option. */
export function numberOf(option: string, text: string | undefined, fallback: number, max: number): number {
  if (text === undefined) return fallback;
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1 || number > max)
    throw new CommandError(`--${option}: must be an integer from 1 to ${max}`);
  return number;
}

/** Words of a line, as a shell parts them: blanks, and quotes that hold blanks together. */
export const wordsOf = (line: string): string[] =>
  Array.from(
    line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g),
    ([, double, single, plain]) => double ?? single ?? plain ?? "",
  );
