import { DEFAULT_TENANT } from "../meta.ts";
import { argumentsOf, type Command, numberOf } from "./command.ts";

const LIMIT_MAX = 1000;
/** Lines end up in a terminal. */
const visible = (text: string) => text.replaceAll(/\p{Cc}/gu, "�");

export const devices: Command = {
  name: "devices",
  usage: "[--limit N] [--tenant ID]",
  summary: "registered devices, by id",
  async run(args, { broker, print }) {
    const options = { limit: { type: "string" }, tenant: { type: "string" } } as const;
    const { values } = argumentsOf(this, args, options, { min: 0, max: 0 });
    const limit = numberOf("limit", values.limit, 50, LIMIT_MAX);
    const meta = { tenantId: values.tenant ?? DEFAULT_TENANT };
    const { items, nextCursor } = await broker.call("device-registry.list", { limit }, { meta });
    for (const device of items) {
      const { id, name, ...rest } = device;
      print(visible(`${id}${name === undefined ? "" : `  ${JSON.stringify(name)}`}  ${JSON.stringify(rest)}`));
    }
    print(`${items.length} devices${nextCursor === undefined ? "" : ", and more: --limit"}`);
  },
};
