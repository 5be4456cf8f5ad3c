import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";

export interface ReceivedMail {
  to: string;
  /** Header fields and body as they came. */
  text: string;
}

/** A mail server that takes what it is sent, or answers RCPT as told. */
export async function startSmtp({ port = 0, refusal }: { port?: number; refusal?: string } = {}) {
  const mails: ReceivedMail[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}).on("close", () => sockets.delete(socket)));
    const say = (line: string) => socket.write(`${line}\r\n`);
    let [to, data] = ["", undefined as string[] | undefined];
    say("220 test ESMTP");
    createInterface({ input: socket }).on("line", (line) => {
      if (data) {
        if (line !== ".") return void data.push(line);
        mails.push({ to, text: data.join("\n") });
        data = undefined;
        return void say("250 taken");
      }
      const command = line.slice(0, 4).toUpperCase();
      if (command === "RCPT") {
        to = /<(.*)>/.exec(line)?.[1] ?? "";
        return void say(refusal ?? "250 ok");
      }
      if (command === "DATA") {
        data = [];
        return void say("354 go on");
      }
      if (command === "QUIT") return void socket.end("221 bye\r\n");
      say("250 ok");
    });
  });
  await once(server.listen(port, "127.0.0.1"), "listening");
  const { port: own } = server.address() as { port: number };
  const stop = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { mails, port: own, url: `smtp://127.0.0.1:${own}`, stop };
}
