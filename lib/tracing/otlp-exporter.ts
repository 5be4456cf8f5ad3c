import { otlpJson } from "./otlp-json.ts";
import type { FinishedSpan } from "./tracer.ts";
import type { Attributes } from "./tracing.ts";

export interface ExporterOptions {
  /** Base of the collector's OTLP/HTTP; `/v1/traces` is added. */
  endpoint: string;
  headers: Record<string, string>;
  resource: Attributes;
  version: string;
  /** Traces must never be the reason that something ends: what goes wrong is told here. */
  failed(message: string, fields: object): void;
  /** Spans that wait at most; of more the newest are dropped. @default 4096 */
  queueMax?: number;
  /** Between two exports. @default 2000 */
  intervalMs?: number;
  /** @default 10000 */
  timeoutMs?: number;
}

const BATCH_MAX = 512;
/** A full batch is not left to wait for the interval. */
const RETRYABLE = [408, 429, 502, 503, 504];
const INTERVALS_MAX = 30;

/** Sends spans to a collector, in batches, beside everything else. */
export class OtlpExporter {
  readonly #options: Required<ExporterOptions>;
  readonly #url: string;
  readonly #timer: NodeJS.Timeout;
  #queue: FinishedSpan[] = [];
  #sending: Promise<void> | undefined;
  #failures = 0;
  #pause = 0;
  #dropped = 0;

  constructor(options: ExporterOptions) {
    this.#options = { queueMax: 4096, intervalMs: 2000, timeoutMs: 10_000, ...options };
    this.#url = `${options.endpoint.replace(/\/+$/, "")}/v1/traces`;
    this.#timer = setInterval(() => this.#tick(), this.#options.intervalMs).unref();
  }

  readonly add = (span: FinishedSpan): void => {
    if (this.#queue.length >= this.#options.queueMax) this.#dropped++;
    else this.#queue.push(span);
    if (this.#queue.length >= BATCH_MAX && this.#failures === 0) void this.flush();
  };

  /** Sends what waits now. */
  flush(): Promise<void> {
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined;
    });
    return this.#sending;
  }

  /** Sends what waits, within a bound. */
  async close(limitMs: number): Promise<void> {
    clearInterval(this.#timer);
    const { promise, resolve } = Promise.withResolvers<void>();
    const late = setTimeout(resolve, limitMs);
    await Promise.race([this.flush().then(() => this.flush()), promise]);
    clearTimeout(late);
  }

  #tick(): void {
    if (this.#pause > 0) this.#pause--;
    else void this.flush();
  }

  async #send(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.slice(0, BATCH_MAX);
      const kept = await this.#post(batch);
      if (kept) return;
      this.#queue.splice(0, batch.length);
    }
  }

  /** Whether the batch is to be tried again. */
  async #post(batch: readonly FinishedSpan[]): Promise<boolean> {
    const { headers, resource, version, timeoutMs } = this.#options;
    let why: string;
    let again = true;
    try {
      const response = await fetch(this.#url, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json" },
        body: otlpJson(batch, resource, version),
        signal: AbortSignal.timeout(timeoutMs),
      });
      await response.body?.cancel();
      if (response.ok) {
        this.#failures = 0;
        return false;
      }
      why = `status ${response.status}`;
      again = RETRYABLE.includes(response.status);
    } catch (error) {
      const { message, cause } = error as Error;
      why = cause instanceof Error ? `${message}: ${cause.message}` : message;
    }
    if (!again) this.#dropped += batch.length;
    this.#failures++;
    this.#pause = Math.min(2 ** (this.#failures - 1), INTERVALS_MAX);
    // Ever rarer, because a collector may be away for long.
    if ((this.#failures & (this.#failures - 1)) === 0)
      this.#options.failed("Traces could not be sent.", { why, failures: this.#failures, dropped: this.#dropped });
    return again;
  }
}
