import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A way to a server on which answers get lost, as when a network breaks. */
export interface DeafProxy {
  /** URL of the way, in place of the server's. */
  url: string;
  /** From now on answers are lost; what is sent arrives. */
  loseAnswers(): void;
  /** Breaks every connection; the next ones lose nothing. */
  cut(): void;
  close(): Promise<void>;
}

/** @param target URL of a TCP server */
export async function deafProxy(target: string): Promise<DeafProxy> {
  const { hostname, port, protocol } = new URL(target);
  const sockets = new Set<Socket>();
  let deaf = false;
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      const end = () => {
        near.destroy();
        far.destroy();
        sockets.delete(socket);
      };
      socket.on("error", end).on("close", end);
    }
    near.on("data", (bytes) => far.write(bytes));
    far.on("data", (bytes) => deaf || near.write(bytes));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    for (const socket of sockets) socket.destroy();
    deaf = false;
  };
  return {
    url: `${protocol}//127.0.0.1:${(server.address() as AddressInfo).port}`,
    loseAnswers: () => {
      deaf = true;
    },
    cut,
    async close() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}
