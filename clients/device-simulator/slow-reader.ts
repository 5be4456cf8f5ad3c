import type { Duplex } from "node:stream";

const EVERY_MS = 500;

/** Takes from the stream what is there, twice a second, and leaves the rest to the sender. */
export function readSlowly(stream: Duplex): void {
  stream.pause();
  const timer = setInterval(() => {
    stream.resume();
    // After one look at the socket.
    setImmediate(() => stream.pause());
  }, EVERY_MS);
  stream.once("close", () => clearInterval(timer));
}
