import { createWriteStream, type WriteStream } from "node:fs";

/** Writes what was acknowledged, each message once, as a recording that can be replayed. */
export class Recorder {
  readonly #file: WriteStream;
  readonly #failed: Promise<never>;

  constructor(file: string) {
    this.#file = createWriteStream(file);
    this.#failed = new Promise((_resolve, reject) => {
      this.#file.once("error", (error) => reject(new Error(`${file} cannot be written: ${error.message}`)));
    });
    // Told by `close`.
    this.#failed.catch(() => {});
  }

  /** @param payload - the native payload, JSON of `{ts, values}` */
  add(deviceId: string, payload: string): void {
    this.#file.write(`{"deviceId":${JSON.stringify(deviceId)},${payload.slice(1)}\n`);
  }

  /** Resolves when all of it is in the file. @throws Error naming the file that could not be written */
  async close(): Promise<void> {
    await Promise.race([this.#failed, new Promise((resolve) => this.#file.end(() => resolve(undefined)))]);
  }
}
