import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("./paho_session.py", import.meta.url));
const python = process.env["PAHO_PYTHON"] ?? "python3";

/** Why paho can't be used, or false. */
export const withoutPaho: string | false =
  spawnSync(python, ["-c", "import paho.mqtt"]).status === 0 ? false : "needs paho-mqtt in PAHO_PYTHON or python3";

export interface PahoMessage {
  topic: string;
  payload: string;
  qos: number;
  retain: boolean;
  dup: boolean;
  properties: Record<string, unknown>;
}

export interface Connack {
  code: number;
  present: boolean;
  properties: Record<string, unknown>;
}

/** Acknowledgement of a request: its reason codes, or the code that the connection ended with. */
export interface Acknowledged {
  codes: number[] | null;
  ended: number | null;
}

/** Clients of paho-mqtt, in a Python of its own that does as it is told. */
export class Paho {
  readonly #child: ChildProcess;
  readonly #lines: Interface;

  constructor() {
    this.#child = spawn(python, [script], { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
  }

  /** @throws Error with what Python said */
  async tell<T = object>(command: string, name: string, fields: object = {}): Promise<T> {
    const answered = once(this.#lines, "line");
    this.#child.stdin?.write(`${JSON.stringify({ do: command, name, ...fields })}\n`);
    const [line] = await answered;
    const answer = JSON.parse(String(line)) as T & { error?: string };
    if (answer.error) throw new Error(`${command} ${name}: ${answer.error}`);
    return answer;
  }

  connect = (name: string, fields: object) => this.tell<Connack>("connect", name, fields);
  subscribe = (name: string, filters: object[], properties?: object) =>
    this.tell<Acknowledged>("subscribe", name, { filters, properties });
  publish = (name: string, fields: object) => this.tell<Acknowledged>("publish", name, fields);

  async messages(name: string, count: number, wait = 10): Promise<PahoMessage[]> {
    return (await this.tell<{ messages: PahoMessage[] }>("messages", name, { count, wait })).messages;
  }

  end(): void {
    this.#child.kill();
  }
}
