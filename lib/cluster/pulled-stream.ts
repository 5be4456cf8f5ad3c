import { Readable } from "node:stream";
import type { Pulled } from "./stream-offers.ts";

export interface StreamSource {
  pull(): Promise<Pulled>;
  /** Says that the stream is still wanted. */
  hold(): Promise<void>;
  drop(): Promise<void>;
}

/** Another process's stream: a chunk is asked for when this one has room for it. */
export function pulledStream(source: StreamSource, holdMs: number): Readable {
  let ended = false;
  const holding = setInterval(() => void source.hold().catch(() => {}), holdMs).unref();
  return new Readable({
    async read() {
      try {
        const { chunk, end } = await source.pull();
        ended = end;
        this.push(end ? null : Buffer.from(chunk, "base64"));
      } catch (error) {
        ended = true;
        this.destroy(error as Error);
      }
    },
    destroy(error, done) {
      clearInterval(holding);
      if (!ended) source.drop().catch(() => {});
      done(error);
    },
  });
}
