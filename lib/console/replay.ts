import { InstantError, microsOf } from "../instant.ts";
import { argumentsOf, type Command, CommandError } from "./command.ts";

export const replay: Command = {
  name: "replay",
  usage: "CHANNEL GROUP FROM   (FROM: a position (17; with Kafka 0:17,1:4), or a time such as 2026-01-01T00:00:00Z)",
  summary: "lets a consumer group take a channel's messages again from there",
  async run(args, { broker, print }) {
    const { positionals } = argumentsOf(this, args, {}, { min: 3, max: 3 });
    const [channel = "", group = "", from = ""] = positionals;
    const before = await broker.facts.position(channel, group);
    await broker.facts.seek(channel, group, targetOf(from));
    const after = await broker.facts.position(channel, group);
    print(`${group} of ${channel}: was at ${before}, goes on at ${after}`);
  },
};

function targetOf(from: string) {
  if (/^\d{1,15}$/.test(from)) return { position: Number(from) };
  if (/^\d+:\d+(,\d+:\d+)*$/.test(from)) return { position: from };
  try {
    return { time: new Date(Math.floor(microsOf(from) / 1000)) };
  } catch (error) {
    if (error instanceof InstantError) throw new CommandError(`FROM: must be a position, or ${error.message.slice(8)}`);
    throw error;
  }
}
