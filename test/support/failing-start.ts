import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { START_ARGUMENTS } from "./product-process.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Runs the platform until it ends by itself: its exit code, and the lines of its standard error. */
export async function failingStart(env: Record<string, string>) {
  const child = spawn(process.execPath, START_ARGUMENTS, {
    cwd: root,
    env: { ...process.env, HTTP_PORT: "0", MQTT_PORT: "0", MQTT_WS_PORT: "0", LOG_LEVEL: "fatal", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  child.stdout.resume();
  const cut = setTimeout(() => child.kill("SIGKILL"), 20_000);
  const [code] = (await once(child, "close")) as [number | null];
  clearTimeout(cut);
  return { code, lines: stderr.split("\n").filter(Boolean) };
}
