// A build broken on purpose: it keeps 16 KiB of every connection for good.
import { Server } from "node:net";

const kept: Buffer[] = [];
const emit = Server.prototype.emit as (event: string | symbol, ...args: unknown[]) => boolean;
Server.prototype.emit = function (event: string | symbol, ...args: unknown[]): boolean {
  if (event === "connection") kept.push(Buffer.alloc(16_384, 1));
  return emit.call(this, event, ...args);
};
