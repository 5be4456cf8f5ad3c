import { rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import type { Middleware, ServiceBroker } from "moleculer";
import type { Session } from "./command.ts";
import { consoleSocketOf } from "./socket-path.ts";

/** What the platform tells a client, one line of JSON each. */
export type ConsoleAnswer = { line: string } | { done: true; error?: string };
/** A line that a client sends to end the command that runs. */
export const INTERRUPT = "\u0003";

const CONNECTIONS_MAX = 4;
const LINE_CHARS_MAX = 4096;
/** A command's output that a client does not read is left out beyond this. */
const UNREAD_BYTES_MAX = 1_048_576;
const PRIVATE_UMASK = 0o177;

/**
 * Takes commands on a socket in the data folder. Only the user that runs the platform may connect: the socket has mode
 * 0600. The commands themselves are loaded with the first connection.
 */
export function consoleSocket(dataDir: string, nodeId?: string): Middleware {
  const path = consoleSocketOf(dataDir, nodeId);
  const clients = new Set<Socket>();
  let server: Server | undefined;
  return {
    name: "Console",
    async started(broker: ServiceBroker) {
      // Named pipes have no mode that would keep other users out.
      if (process.platform === "win32") return;
      // The folder, or the name in it, is held by this process: what is there is left from one that was killed.
      rmSync(path, { force: true });
      const listening = createServer((socket) => {
        clients.add(socket);
        socket.once("close", () => clients.delete(socket));
        serve(socket, broker as unknown as Session["broker"]);
      });
      listening.maxConnections = CONNECTIONS_MAX;
      const failed = (error: Error) =>
        broker.logger.warn("Commands cannot be taken; npm run repl cannot attach.", { error });
      listening.on("error", failed);
      const mask = process.umask(PRIVATE_UMASK);
      try {
        listening.listen(path).unref();
      } catch (error) {
        failed(error as Error);
      } finally {
        process.umask(mask);
      }
      server = listening;
    },
    async stopping() {
      for (const socket of clients) socket.destroy();
      server?.close();
    },
  } as unknown as Middleware;
}

/** One command after the other; a line that comes meanwhile waits in the socket. */
function serve(socket: Socket, broker: Session["broker"]): void {
  const gone = new AbortController();
  let running: AbortController | undefined;
  let skipped = 0;
  const answer = (message: ConsoleAnswer) => socket.writable && socket.write(`${JSON.stringify(message)}\n`);
  const print = (line: string) => {
    if (socket.writableLength > UNREAD_BYTES_MAX) {
      skipped++;
      return;
    }
    if (skipped > 0) answer({ line: `… ${skipped} lines left out` });
    skipped = 0;
    answer({ line });
  };
  socket.on("error", () => {});
  socket.once("close", () => {
    gone.abort();
    running?.abort();
  });
  let queue = Promise.resolve();
  let chars = 0;
  socket.setEncoding("utf8");
  socket.on("data", (text: string) => {
    // A line that never ends would be held without bound.
    chars = text.includes("\n") ? 0 : chars + text.length;
    if (chars > LINE_CHARS_MAX) socket.destroy();
  });
  const lines = createInterface({ input: socket });
  // It passes on the socket's errors; a client that was reset is one that has gone.
  lines.on("error", () => {});
  lines.on("line", (line) => {
    if (line === INTERRUPT) {
      running?.abort();
      return;
    }
    queue = queue.then(async () => {
      if (gone.signal.aborted) return;
      running = new AbortController();
      const { runLine, explain } = await import("./commands.ts");
      try {
        if (line.length > LINE_CHARS_MAX) throw new Error(`a line has ${LINE_CHARS_MAX} characters at most`);
        await runLine(line, { broker, print, signal: running.signal });
        answer({ done: true });
      } catch (error) {
        answer({ done: true, error: explain(error) });
      }
      running = undefined;
    });
  });
}
