import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { type ConsoleAnswer, INTERRUPT } from "../lib/console/socket.ts";

/** Nobody listens; everything was done; or a command failed, or the platform ended. */
export type Outcome = "nobody" | "done" | "failed";

/** Hands the lines of standard input to the platform behind a socket, one after the other. */
export async function attach(path: string): Promise<Outcome> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ECONNREFUSED") return "nobody";
    throw new Error(`${path} cannot be attached to: ${(error as Error).message}`, { cause: error });
  }
  return converse(socket);
}

async function converse(socket: Socket): Promise<Outcome> {
  let failed = false;
  let done: (() => void) | undefined;
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => {});
  createInterface({ input: socket }).on("line", (text) => {
    const answer = JSON.parse(text) as ConsoleAnswer;
    if ("line" in answer) console.log(answer.line);
    else {
      if (answer.error !== undefined) {
        failed = true;
        console.error(`error: ${answer.error}`);
      }
      done?.();
    }
  });
  const terminal = process.stdin.isTTY === true;
  const input = createInterface({ input: process.stdin, output: process.stdout, terminal, prompt: "ganglion $ " });
  // At a prompt Ctrl-C ends the client; while a command runs, the command.
  input.on("SIGINT", () => (done ? socket.write(`${INTERRUPT}\n`) : input.close()));
  if (terminal) console.log("Attached to the running platform; help lists the commands, exit leaves it running.");
  let ended = false;
  void closed.then(() => {
    ended = true;
    done?.();
    input.close();
  });
  if (terminal) input.prompt();
  for await (const line of input) {
    const command = line.trim();
    if (command === "exit" || command === "quit") break;
    if (command !== "") {
      const answered = new Promise<void>((resolve) => {
        done = resolve;
      });
      socket.write(`${command}\n`);
      if (!ended) await answered;
      done = undefined;
    }
    if (ended) break;
    if (terminal) input.prompt();
  }
  if (ended) {
    console.error("error: the platform has ended");
    return "failed";
  }
  socket.destroy();
  // At a terminal the operator has seen what failed; a script has only the exit code.
  return failed && !terminal ? "failed" : "done";
}
