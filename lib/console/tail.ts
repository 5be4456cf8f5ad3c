import { DEFAULT_TENANT } from "../meta.ts";
import { argumentsOf, type Command, numberOf } from "./command.ts";
import { tap } from "./tap.ts";

const CHARS_MAX = 500;
const COUNT_MAX = 1_000_000;
const SECONDS_MAX = 86_400;

export const tail: Command = {
  name: "tail",
  usage: "DEVICE [--count N] [--seconds S] [--tenant ID]",
  summary: "what a device sends, as it is stored",
  async run(args, { broker, print, signal }) {
    const options = { count: { type: "string" }, seconds: { type: "string" }, tenant: { type: "string" } } as const;
    const { values, positionals } = argumentsOf(this, args, options, { min: 1, max: 1 });
    const count = numberOf("count", values.count, COUNT_MAX, COUNT_MAX);
    const seconds = numberOf("seconds", values.seconds, SECONDS_MAX, SECONDS_MAX);
    const meta = { tenantId: values.tenant ?? DEFAULT_TENANT };
    const [deviceId = ""] = positionals;
    await broker.call("device-registry.get", { deviceId }, { meta });
    const key = `${meta.tenantId}/${deviceId}`;
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    let seen = 0;
    const stop = tap(broker, (channel, text, of) => {
      if (of !== key || seen >= count) return;
      print(`${channel} ${text.length > CHARS_MAX ? `${text.slice(0, CHARS_MAX)}…` : text}`);
      if (++seen === count) end();
    });
    const late = setTimeout(end, seconds * 1000).unref();
    signal.addEventListener("abort", () => end(), { once: true });
    if (signal.aborted) end();
    print(`tail of ${key}: what this process stores from now on`);
    await ended;
    stop();
    clearTimeout(late);
    print(`${seen} messages`);
  },
};
