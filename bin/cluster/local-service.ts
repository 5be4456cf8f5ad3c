import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type ComposeService, durationMs } from "./compose-file.ts";
import type { LocalProgram } from "./images.ts";
import type { LocalPlace } from "./local-place.ts";

/** One service of the file, as a process of this machine. */
export class LocalService {
  readonly name: string;
  readonly pid: number | undefined;
  readonly #child: ChildProcess;
  readonly #program: LocalProgram;
  readonly #service: ComposeService;
  readonly #place: LocalPlace;

  constructor(name: string, service: ComposeService, program: LocalProgram, place: LocalPlace, logFile: string) {
    this.name = name;
    this.#service = service;
    this.#program = program;
    this.#place = place;
    this.#child = spawn(program.file, program.args, {
      env: this.#env(),
      stdio: ["ignore", "pipe", "pipe"],
      // What a terminal sends on Ctrl-C is for whoever ends all of them in order.
      detached: true,
    });
    this.pid = this.#child.pid;
    const log = createWriteStream(logFile, { flags: "a" });
    this.#child.stdout?.pipe(log, { end: false });
    this.#child.stderr?.pipe(log, { end: false });
    // A program that is not there: `ended` says so to whoever waits.
    this.#child.on("error", (error) => log.write(`${error.message}\n`));
  }

  get ended(): boolean {
    return this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Resolves when the health check succeeds, as often as the file says. @throws Error */
  async healthy(): Promise<void> {
    const { healthcheck } = this.#service;
    if (!healthcheck) return;
    const [intervalMs, timeoutMs] = [durationMs(healthcheck.interval), durationMs(healthcheck.timeout)];
    const deadline = Date.now() + durationMs(healthcheck.start_period) + healthcheck.retries * (intervalMs + timeoutMs);
    // A container engine looks once an interval; here nobody has to wait for its end.
    for (; Date.now() < deadline; await sleep(Math.min(intervalMs, LOOK_MS))) {
      if (this.ended) throw new Error(`${this.name} has ended`);
      if (await this.#check(healthcheck.test, timeoutMs)) return;
    }
    throw new Error(`${this.name} is not healthy`);
  }

  /** SIGTERM, and SIGKILL to what has not ended in time. */
  async stop(graceMs: number): Promise<void> {
    if (this.ended) return;
    const gone = once(this.#child, "exit");
    this.#signal("SIGTERM");
    const cut = setTimeout(() => this.#signal("SIGKILL"), graceMs);
    await gone;
    clearTimeout(cut);
    const [file, ...args] = this.#program.afterwards ?? [];
    if (file !== undefined) spawnSync(file, args, { env: this.#env(), stdio: "ignore" });
  }

  #signal(signal: NodeJS.Signals): void {
    const { pidFile } = this.#program;
    if (pidFile !== undefined && existsSync(pidFile)) process.kill(Number(readFileSync(pidFile, "utf8")), signal);
    else this.#child.kill(signal);
  }

  async #check([kind, ...words]: readonly string[], timeoutMs: number): Promise<boolean> {
    if (this.#program.port !== undefined) return listens(this.#program.port);
    const [file = "", ...args] = kind === "CMD-SHELL" ? ["sh", "-c", ...words] : words;
    const child = spawn(file === "node" ? process.execPath : file, args.map(this.#place.here), {
      env: this.#env(),
      stdio: "ignore",
      timeout: timeoutMs,
    });
    return new Promise((resolve) => {
      child.once("error", () => resolve(false));
      child.once("exit", (code) => resolve(code === 0));
    });
  }

  #env(): NodeJS.ProcessEnv {
    const { PATH, HOME, LANG, TMPDIR } = process.env;
    return { PATH, HOME, LANG, TMPDIR, ...this.#program.env };
  }
}

const LOOK_MS = 500;

const listens = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
