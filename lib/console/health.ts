import { argumentsOf, type Command, CommandError } from "./command.ts";

export const health: Command = {
  name: "health",
  usage: "",
  summary: "whether this process could keep what it accepts, and what is in the way",
  async run(args, { broker, print }) {
    argumentsOf(this, args, {}, { min: 0, max: 0 });
    const reasons = broker.health?.reasons() ?? [];
    if (reasons.length > 0) throw new CommandError(reasons.join("; "));
    print("ready");
  },
};
