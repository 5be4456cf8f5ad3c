import { DEFAULT_TENANT } from "../meta.ts";
import { argumentsOf, type Command, CommandError, numberOf } from "./command.ts";

const LIMIT_MAX = 1000;

export const dead: Command = {
  name: "dead",
  usage: "[CHANNEL] [--limit N] [--tenant ID]",
  summary: "messages that consumers could not handle, the latest first",
  async run(args, { broker, print }) {
    const options = { limit: { type: "string" }, tenant: { type: "string" } } as const;
    const { values, positionals } = argumentsOf(this, args, options, { min: 0, max: 1 });
    const limit = numberOf("limit", values.limit, 50, LIMIT_MAX);
    const [channel] = positionals;
    const meta = { tenantId: values.tenant ?? DEFAULT_TENANT };
    const page = await broker
      .call("dead-letters.list", { limit, ...(channel === undefined ? {} : { channel }) }, { meta })
      .catch((error: { type?: unknown }) => {
        if (error.type !== "SERVICE_NOT_FOUND") throw error;
        throw new CommandError("no service dead-letters runs here");
      });
    const { items, nextCursor } = page;
    for (const { id, deadAt, attempts, error, ...rest } of items)
      print(
        `${id}  ${deadAt}  ${rest.channel}${rest.group === undefined ? "" : ` (${rest.group})`}  ${rest.deviceId ?? "-"}  ${attempts} attempts  ${error.type}: ${JSON.stringify(error.message)}`,
      );
    print(`${items.length} dead letters${nextCursor === undefined ? "" : ", and more: --limit"}`);
  },
};
