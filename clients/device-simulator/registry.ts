import { setTimeout as sleep } from "node:timers/promises";

const PATIENCE_MS = 60_000;
const ANSWER_MS = 15_000;

/** The platform's REST interface, as far as a device's maker needs it. */
export class Registry {
  readonly url: string;
  /** It has answered once: what fails from then on is an outage and not a wrong address. */
  #answered = false;

  constructor(url: string) {
    this.url = url;
  }

  /** Registers the device unless it is, and makes its credential. @throws Error with what was asked and answered. */
  async secretOf(deviceId: string): Promise<string> {
    await this.#post("/v1/devices", { id: deviceId }, [201, 409]);
    const path = `/v1/devices/${encodeURIComponent(deviceId)}/credentials`;
    const secret = secretIn(await this.#post(path, undefined, [201]));
    // Without the answer's text, which may hold a secret.
    if (secret === undefined) throw new Error(`POST ${this.url}${path}: 201 without a secret; is this the platform?`);
    return secret;
  }

  /** The text of an expected answer. */
  async #post(path: string, body: object | undefined, expected: number[]): Promise<string> {
    for (const deadline = Date.now() + PATIENCE_MS; ; ) {
      const response = await this.#fetch(path, body, deadline);
      const text = await response.text().catch(() => "");
      if (expected.includes(response.status)) return text;
      const retryable = response.status === 429 || response.status === 503;
      if (!retryable || Date.now() > deadline)
        throw new Error(`POST ${this.url}${path}: ${response.status} ${oneLine(text)}`);
      await sleep(Math.min(10, Number(response.headers.get("retry-after")) || 1) * 1000);
    }
  }

  async #fetch(path: string, body: object | undefined, deadline: number): Promise<Response> {
    for (;;)
      try {
        const response = await fetch(`${this.url}${path}`, {
          method: "POST",
          signal: AbortSignal.timeout(ANSWER_MS),
          ...(body ? { headers: { "content-type": "application/json" }, body: JSON.stringify(body) } : {}),
        });
        this.#answered = true;
        return response;
      } catch (error) {
        if (!this.#answered || Date.now() > deadline) {
          const { cause, message } = error as Error & { cause?: { code?: string } };
          throw new Error(
            `no platform answers at ${this.url} (${cause?.code ?? message}); is it running? --url names another`,
          );
        }
        await sleep(500);
      }
  }
}

/** Another web server may answer with a whole page. */
const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").trim().slice(0, 500);

function secretIn(text: string): string | undefined {
  try {
    const { secret } = JSON.parse(text) as { secret?: unknown };
    return typeof secret === "string" ? secret : undefined;
  } catch {
    return undefined;
  }
}
