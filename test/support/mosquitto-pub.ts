import { spawn } from "node:child_process";
import { once } from "node:events";

/** Runs mosquitto_pub at QoS 1. @returns its exit code; with several messages it would try for ever where it is refused */
export async function mosquittoPub(broker: string, username: string, secret: string, topic: string, lines: string[]) {
  const { hostname, port } = new URL(broker);
  const args = ["-h", hostname, "-p", port, "-q", "1", "-u", username, "-P", secret, "-i", username, "-t", topic];
  const [only = ""] = lines;
  args.push(...(lines.length === 1 ? ["-m", only] : ["-l"]));
  const child = spawn("mosquitto_pub", args, { stdio: ["pipe", "ignore", "ignore"] });
  child.stdin.on("error", () => {});
  child.stdin.end(lines.map((line) => `${line}\n`).join(""));
  const [code] = (await once(child, "exit")) as [number];
  return code;
}
