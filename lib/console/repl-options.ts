import { type Session, wordsOf } from "./command.ts";
import { commands, explain } from "./commands.ts";

/** Nobody can interrupt a command of Moleculer's REPL: what would not end is bounded. */
const TAIL_LIMITS = ["--count=20", "--seconds=60"];

/** Our commands, for Moleculer's REPL; its own stand beside them. */
export const replOptions = {
  delimiter: "ganglion $",
  customCommands: commands.map(({ name, usage, summary, run }) => ({
    command: `${name} [words...]`,
    description: `${summary}: ${name} ${usage}`,
    allowUnknownOptions: true,
    async action(broker: Session["broker"], { rawCommand }: { rawCommand: string }) {
      const [, ...args] = wordsOf(rawCommand);
      const limits =
        name === "tail" ? TAIL_LIMITS.filter((limit) => !args.includes(limit.split("=")[0] as string)) : [];
      const session: Session = { broker, print: (line) => console.log(line), signal: new AbortController().signal };
      try {
        await run.call({ name, usage, summary, run }, [...args, ...limits], session);
      } catch (error) {
        console.log(`error: ${explain(error)}`);
      }
    },
  })),
};
