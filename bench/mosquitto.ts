import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A mosquitto that lets everybody in and keeps nothing: less than what the platform does, said where it is compared. */
export async function withMosquitto<T>(work: (mqtt: string, pid: number) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-mosquitto-"));
  const port = await freePort();
  const file = join(folder, "mosquitto.conf");
  writeFileSync(file, `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type none\n`);
  const mosquitto = spawn("mosquitto", ["-c", file], { stdio: "ignore" });
  try {
    await new Promise((resolve, reject) => mosquitto.once("spawn", resolve).once("error", reject));
    await sleep(300);
    return await work(`mqtt://127.0.0.1:${port}`, mosquitto.pid as number);
  } finally {
    await ended(mosquitto);
    rmSync(folder, { recursive: true });
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const closed = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGTERM");
  await closed;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
