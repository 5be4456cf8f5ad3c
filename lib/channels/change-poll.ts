import type { ChannelFile } from "./channel-file.ts";

/** Notices that another connection, of this process or another, has committed to the file. */
export class ChangePoll {
  #file: ChannelFile;
  #version: number;
  #timer: NodeJS.Timeout;

  /** @param failed gets the error of a look that failed; it is taken for a change, since there may be one. */
  constructor(file: ChannelFile, pollMs: number, changed: () => void, failed: (error: unknown) => void) {
    this.#file = file;
    this.#version = file.dataVersion();
    this.#timer = setInterval(() => this.#look(changed, failed), pollMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(changed: () => void, failed: (error: unknown) => void): void {
    try {
      const version = this.#file.dataVersion();
      if (version === this.#version) return;
      this.#version = version;
    } catch (error) {
      failed(error);
    }
    changed();
  }
}
