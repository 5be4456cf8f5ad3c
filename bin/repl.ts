// npm run repl: attaches to the platform that runs on DATA_DIR, or starts one with Moleculer's REPL where none runs.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { nodeIdOf } from "../lib/cluster/transporter.ts";
import { consoleSocketOf } from "../lib/console/socket-path.ts";
import { exitWith } from "../lib/start-and-stop.ts";
import { attach } from "./attach.ts";
import { commandConfig } from "./command-config.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Starts the platform as `npm start` does, with the REPL on this terminal. */
function start(): void {
  try {
    import.meta.resolve("moleculer-repl");
  } catch {
    exitWith("the REPL is a development dependency (npm ci); a platform that runs can be attached to without it");
  }
  const { scripts } = JSON.parse(readFileSync(`${root}/package.json`, "utf8")) as { scripts: { start: string } };
  const [, ...args] = scripts.start.replaceAll('"', "").split(" ");
  const child = spawn(process.execPath, [...args, "--repl"], {
    cwd: root,
    // The log shares the terminal with the prompt.
    env: { LOG_LEVEL: "warn", LOG_FORMAT: "text", ...process.env },
    stdio: "inherit",
  });
  for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
  // The terminal sends it to the child as well.
  process.on("SIGINT", () => {});
  child.once("exit", (code, signal) => process.exit(code ?? (signal === null ? 0 : 1)));
}

try {
  const config = commandConfig();
  const outcome = await attach(consoleSocketOf(config.DATA_DIR, nodeIdOf(config)));
  if (outcome === "nobody") start();
  else process.exit(outcome === "done" ? 0 : 1);
} catch (error) {
  exitWith((error as Error).message);
}
