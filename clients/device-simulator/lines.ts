import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { pipeline, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";

/**
 * Lines of a file, unpacked when its name ends in `.gz`; `-` is standard input. Ends early when the signal is aborted.
 *
 * @throws Error naming the file when it cannot be read
 */
export async function* lines(file: string, stop: AbortSignal): AsyncGenerator<string> {
  const source: Readable = file === "-" ? process.stdin : createReadStream(file);
  const unpacked = file.endsWith(".gz") ? createGunzip() : undefined;
  const input = unpacked ?? source;
  let failure: Error | undefined;
  const reader = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  // An input that fails ends readline quietly or loudly, as the version of Node has it.
  input.on("error", (error: Error) => {
    failure ??= error;
    reader.close();
  });
  if (unpacked)
    pipeline(source, unpacked, (error) => {
      failure ??= error ?? undefined;
    });
  const close = () => reader.close();
  stop.addEventListener("abort", close);
  try {
    for await (const line of reader) yield line;
  } catch (error) {
    failure ??= error as Error;
  } finally {
    stop.removeEventListener("abort", close);
    source.destroy();
  }
  if (failure && !stop.aborted) throw new Error(`${file} cannot be read: ${failure.message}`);
}
