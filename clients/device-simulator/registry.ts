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

  /**
   * Registers the device unless it is, and makes its credential; where it has two already, in place of the older one.
   *
   * @throws Error with what was asked and answered.
   */
  async secretOf(deviceId: string): Promise<string> {
    await this.#ask("POST", "/v1/devices", { id: deviceId }, [201, 409]);
    const path = `/v1/devices/${encodeURIComponent(deviceId)}/credentials`;
    let { status, text } = await this.#ask("POST", path, undefined, [201, 409]);
    if (status === 409) {
      const oldest = oldestIn((await this.#ask("GET", path, undefined, [200])).text);
      await this.#ask("DELETE", `${path}/${oldest}`, undefined, [204, 404]);
      ({ text } = await this.#ask("POST", path, undefined, [201]));
    }
    const secret = secretIn(text);
    // Without the answer's text, which may hold a secret.
    if (secret === undefined) throw new Error(`POST ${this.url}${path}: 201 without a secret; is this the platform?`);
    return secret;
  }

  /** An expected answer. */
  async #ask(method: string, path: string, body: object | undefined, expected: number[]) {
    for (const deadline = Date.now() + PATIENCE_MS; ; ) {
      const response = await this.#fetch(method, path, body, deadline);
      const text = await response.text().catch(() => "");
      if (expected.includes(response.status)) return { status: response.status, text };
      const retryable = response.status === 429 || response.status === 503;
      if (!retryable || Date.now() > deadline)
        throw new Error(`${method} ${this.url}${path}: ${response.status} ${oneLine(text)}`);
      await sleep(Math.min(10, Number(response.headers.get("retry-after")) || 1) * 1000);
    }
  }

  async #fetch(method: string, path: string, body: object | undefined, deadline: number): Promise<Response> {
    for (;;)
      try {
        const response = await fetch(`${this.url}${path}`, {
          method,
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

/** Id of the first credential of the list. */
function oldestIn(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { items?: { credentialId?: string }[] }).items?.[0]?.credentialId;
  } catch {
    return undefined;
  }
}

function secretIn(text: string): string | undefined {
  try {
    const { secret } = JSON.parse(text) as { secret?: unknown };
    return typeof secret === "string" ? secret : undefined;
  } catch {
    return undefined;
  }
}
