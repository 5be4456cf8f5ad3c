import type { Duplex } from "node:stream";

/**
 * Makes `destroy` of a connection that the broker has closed a hang-up: what is written leaves, then the end, and what
 * the other side still sends is thrown away for a while. A socket destroyed with unread input is reset, and the reset
 * overtakes the last acknowledgements and the reason of a DISCONNECT.
 *
 * @param closed whether the broker is through with it; before, and on errors, destroying stays immediate
 */
export function hangUpOnDestroy(stream: Duplex, closed: () => boolean, lingerMs: number): void {
  const destroy = stream.destroy.bind(stream);
  let lingering = false;
  stream.destroy = (error) => {
    // The broker's own errors; those of the socket name the call that failed.
    if (lingering && error && !("syscall" in error)) return stream;
    if (error || lingering || stream.destroyed || stream.writableEnded || !closed()) return destroy(error);
    lingering = true;
    stream.end();
    // After the listeners that the broker is removing now are gone.
    process.nextTick(() => stream.resume());
    const timer = setTimeout(destroy, lingerMs);
    stream.once("close", () => clearTimeout(timer));
    return stream;
  };
}
