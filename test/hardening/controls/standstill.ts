// A build broken on purpose: a connection can make everybody wait for more than a second.
import { Server } from "node:net";

const STANDSTILL_MS = 1200;
const EVERY = 20;

let connections = 0;
const emit = Server.prototype.emit as (event: string | symbol, ...args: unknown[]) => boolean;
Server.prototype.emit = function (event: string | symbol, ...args: unknown[]): boolean {
  if (event === "connection" && ++connections % EVERY === 0)
    for (const until = performance.now() + STANDSTILL_MS; performance.now() < until; );
  return emit.call(this, event, ...args);
};
