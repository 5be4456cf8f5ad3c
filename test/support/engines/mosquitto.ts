import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Engine, freePort, killed, reachable } from "./process.ts";

export interface Mosquitto extends Engine {
  /** `mqtt://127.0.0.1:PORT` for devices; client ids are user names there. */
  devices: string;
  /** `mqtt://user:password@127.0.0.1:PORT` for bridges. */
  url: string;
  /** Variables of a platform that has its devices here. */
  env: Record<"MQTT_URL" | "MQTT_PASSWORD_FILE" | "MQTT_ACL_FILE" | "MQTT_PID_FILE", string>;
  passwordFile: string;
  aclFile: string;
  pidFile: string;
  /** Standard error so far. */
  output(): string;
}

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** mosquitto's own word for itself. */
const versionOf = (): string => {
  try {
    return execFileSync("mosquitto", ["-h"], { encoding: "utf8" });
  } catch (error) {
    // Asked for help it ends with 3.
    return String((error as { stdout?: unknown }).stdout).split("\n")[0] ?? "";
  }
};

/** A mosquitto of its own, as docs/mqtt.md wants it: free loopback ports, accounts and rules from files. */
export async function startMosquitto({ persistence = true, config = [] as string[] } = {}): Promise<Mosquitto> {
  const folder = mkdtempSync(join(tmpdir(), "mosquitto-"));
  const [port, bridgePort] = [await freePort(), await freePort()];
  const [passwordFile, aclFile, pidFile] = ["passwords", "rules", "pid"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const file of [passwordFile, aclFile]) writeFileSync(file, "", { mode: 0o640 });
  const lines = [
    "per_listener_settings false",
    "allow_anonymous false",
    `password_file ${passwordFile}`,
    `acl_file ${aclFile}`,
    `pid_file ${pidFile}`,
    `persistence ${persistence}`,
    `persistence_location ${folder}/`,
    "autosave_interval 1",
    "max_inflight_messages 1000",
    "max_queued_messages 0",
    // Started as root it would become another user, which reads none of these.
    `user ${process.env["USER"] ?? "root"}`,
    "log_type error",
    "log_type warning",
    "log_type notice",
    ...config,
    `listener ${port} 127.0.0.1`,
    "use_username_as_clientid true",
    `listener ${bridgePort} 127.0.0.1`,
  ];
  const file = join(folder, "mosquitto.conf");
  writeFileSync(file, `${lines.join("\n")}\n`);
  let child: ChildProcess | undefined;
  let output = "";
  const url = `mqtt://ganglion:bridge-secret@127.0.0.1:${bridgePort}`;
  const broker: Mosquitto = {
    ...{ port, url, passwordFile, aclFile, pidFile, version: versionOf() },
    devices: `mqtt://127.0.0.1:${port}`,
    env: { MQTT_URL: url, MQTT_PASSWORD_FILE: passwordFile, MQTT_ACL_FILE: aclFile, MQTT_PID_FILE: pidFile },
    output: () => output,
    async start() {
      const begun = spawn("mosquitto", ["-c", file], { stdio: ["ignore", "ignore", "pipe"] });
      begun.stderr.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
      child = begun;
      running.add(begun);
      begun.once("exit", () => running.delete(begun));
      for (const one of [port, bridgePort]) await Promise.race([reachable(one, 10_000), ended(begun, () => output)]);
    },
    async kill() {
      await killed(child);
      // Its pid is nobody's any more.
      if (existsSync(pidFile) && readFileSync(pidFile, "utf8").trim() === String(child?.pid)) rmSync(pidFile);
    },
    async dispose() {
      await broker.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await broker.start();
  console.log(broker.version);
  return broker;
}

async function ended(child: ChildProcess, output: () => string): Promise<never> {
  await once(child, "exit");
  throw new Error(`mosquitto ended; it said:\n${output()}`);
}
