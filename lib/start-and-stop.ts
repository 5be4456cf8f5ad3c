import type { Middleware, ServiceBroker, ServiceSchema } from "moleculer";
import { VERSION } from "./version.ts";

type Started = (this: unknown) => unknown;

/**
 * A service that cannot start ends the process with one line that says why, and exit code 1: a platform with a part
 * missing would accept what it cannot keep.
 */
export const exitOnFailedStart: Middleware = {
  name: "ExitOnFailedStart",
  serviceCreating(_service: unknown, schema: ServiceSchema & { opened?: Started }) {
    const exiting = (handlers: Started[]) =>
      async function (this: unknown) {
        try {
          for (const handler of handlers) await handler.call(this);
        } catch (error) {
          exitWith(`${schema.name}: ${(error as Error).message}`);
        }
      };
    schema.started = exiting([schema.started ?? []].flat() as unknown as Started[]);
    if (schema.opened) schema.opened = exiting([schema.opened]);
  },
} as Middleware;

/** A middleware that cannot start, because its engine cannot, ends the process as a service does. */
export const exitingOnFailure = (middleware: Middleware): Middleware =>
  middleware.started
    ? {
        ...middleware,
        async started(broker: ServiceBroker) {
          try {
            await middleware.started?.(broker);
          } catch (error) {
            exitWith((error as Error).message);
          }
        },
      }
    : middleware;

/** Prints one line on standard error and ends the process with code 1. */
export function exitWith(message: string): never {
  process.stderr.write(`ganglion: ${message.replaceAll(/\s*\n\s*/g, "; ")}\n`);
  process.exit(1);
}

/**
 * Prints `ready http://… mqtt://…` with every address that a service of this process listens on, and nothing behind it
 * where none does; before it, for people, what is where.
 */
export function announceReady(broker: ServiceBroker, { dataDir, people }: { dataDir: string; people: boolean }): void {
  const urls = broker.services.flatMap((service) => (service as { listening?: string[] }).listening ?? []);
  const order = (url: string) => ["http:", "https:", "mqtt:", "mqtts:", "ws:", "wss:"].indexOf(new URL(url).protocol);
  urls.sort((a, b) => order(a) - order(b));
  if (people) {
    const http = urls.find((url) => url.startsWith("http"));
    const mqtt = urls.filter((url) => !url.startsWith("http"));
    const rest = http && `${http}  (described at ${http}/openapi.json, health at ${http}/health/ready)`;
    process.stdout.write(
      [
        `\nGanglion ${VERSION}`,
        `  data   ${dataDir}`,
        ...(rest ? [`  REST   ${rest}`] : []),
        ...(mqtt.length > 0 ? [`  MQTT   ${mqtt.join("  ")}`] : []),
        "\n",
      ].join("\n"),
    );
  }
  releaseStartMemory();
  process.stdout.write(`${["ready", ...urls].join(" ")}\n`);
}

/**
 * What was only needed to start is given back at once: V8 would hold the 30 MB until it is short of memory. Takes some
 * 80 ms, once; the heap grows again with its load. `gc` is there where Node runs with `--expose-gc`, as by `npm start`.
 */
function releaseStartMemory(): void {
  // Not in the types of Node: without this flavour the space for new objects keeps its size.
  const options = { type: "major", execution: "sync", flavor: "last-resort" };
  (globalThis.gc as ((given: typeof options) => void) | undefined)?.(options);
}

const PARENT_CHECK_MS = 250;

/**
 * Ends the platform with what started it: a signal to `npm start` reaches npm and its shell only, and a platform left
 * behind would hold ports and data. POSIX gives an orphan another parent; on Windows npm's children end with it.
 */
export function stopWithParent(): void {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    process.kill(process.pid, "SIGTERM");
  }, PARENT_CHECK_MS).unref();
}

/** A drain that hangs is cut off: what was not acknowledged by then is the sender's to repeat. */
export function limitStop(seconds: number): void {
  const cut = () =>
    setTimeout(() => {
      process.stderr.write(`ganglion: stopping took longer than ${seconds} s\n`);
      process.kill(process.pid, "SIGKILL");
    }, seconds * 1000).unref();
  process.once("SIGTERM", cut);
  process.once("SIGINT", cut);
}
