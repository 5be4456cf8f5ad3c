// node bin/health.ts: exit code 0 where the process that runs on DATA_DIR (as NODE_ID) is ready. For containers.
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { nodeIdOf } from "../lib/cluster/transporter.ts";
import type { ConsoleAnswer } from "../lib/console/socket.ts";
import { consoleSocketOf } from "../lib/console/socket-path.ts";
import { exitWith } from "../lib/start-and-stop.ts";
import { commandConfig } from "./command-config.ts";

const TIMEOUT_MS = 5000;

try {
  const config = commandConfig();
  const socket = connect(consoleSocketOf(config.DATA_DIR, nodeIdOf(config)));
  setTimeout(() => exitWith("the process does not answer"), TIMEOUT_MS).unref();
  await once(socket, "connect");
  socket.write("health\n");
  for await (const line of createInterface({ input: socket })) {
    const answer = JSON.parse(line) as ConsoleAnswer;
    if ("line" in answer) console.log(answer.line);
    else if (answer.error === undefined) process.exit(0);
    else exitWith(answer.error);
  }
  exitWith("the process has ended");
} catch (error) {
  exitWith((error as Error).message);
}
