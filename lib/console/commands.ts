import { type Command, CommandError, type Session, wordsOf } from "./command.ts";
import { dead } from "./dead.ts";
import { devices } from "./devices.ts";
import { health } from "./health.ts";
import { replay } from "./replay.ts";
import { tail } from "./tail.ts";

/** What can be asked of a running platform; one line here and one file each. */
export const commands: readonly Command[] = [devices, tail, dead, replay, health];

/** Does what a line says. @throws CommandError; what an action throws. */
export async function runLine(line: string, session: Session): Promise<void> {
  const [name, ...args] = wordsOf(line);
  if (name === undefined) return;
  if (name === "help") {
    for (const command of commands) session.print(`${command.name} ${command.usage}\n    ${command.summary}`);
    session.print("exit");
    return;
  }
  const command = commands.find((one) => one.name === name);
  if (!command) throw new CommandError(`unknown command '${name}'; help lists them`);
  await command.run(args, session);
}

/** What an operator is told of an error. */
export function explain(error: unknown): string {
  const { message, data } = error as { message?: unknown; data?: unknown };
  const fields = Array.isArray(data)
    ? data.map((item: { field?: unknown; message?: unknown }) => ` ${item.field}: ${item.message}`)
    : [];
  return `${String(message ?? error)}${fields.join(",")}`;
}
