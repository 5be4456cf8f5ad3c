import { IncomingMessage, type OutgoingHttpHeaders, ServerResponse } from "node:http";
import { Socket } from "node:net";

export interface InjectRequest {
  method: string;
  /** Path and query. */
  url: string;
  headers: Readonly<Record<string, string>>;
  body?: string;
  remoteAddress: string;
}

export interface InjectResponse {
  status: number;
  headers: OutgoingHttpHeaders;
  body: string;
}

/** A request that was never on a wire; also for calls that read nothing of it but cookies. */
export function request({ method, url, headers, body = "", remoteAddress }: InjectRequest): IncomingMessage {
  const socket = Object.defineProperty(new Socket(), "remoteAddress", { value: remoteAddress });
  const message = Object.assign(new IncomingMessage(socket), {
    ...{ method, url, originalUrl: url },
    ...{ httpVersion: "1.1", httpVersionMajor: 1, httpVersionMinor: 1, complete: true },
  });
  Object.assign(message.headers, headers);
  if (body) {
    message.headers["content-length"] = String(Buffer.byteLength(body));
    message.push(body);
  }
  message.push(null);
  return message;
}

class CapturedResponse extends ServerResponse {
  readonly #chunks: Buffer[] = [];
  readonly #done: (response: InjectResponse) => void;
  #captured = false;

  constructor(message: IncomingMessage, done: (response: InjectResponse) => void) {
    super(message);
    this.#done = done;
  }

  // @ts-expect-error declared as a property, implemented by Node as a prototype accessor
  override get headersSent() {
    return this.#captured;
  }

  override writeHead(status: number, ...rest: unknown[]): this {
    this.statusCode = status;
    const headers = rest.find((value) => typeof value === "object" && value !== null) as OutgoingHttpHeaders;
    for (const [name, value] of Object.entries(headers ?? {})) this.setHeader(name, value as string);
    return this;
  }

  override flushHeaders() {}

  override write(chunk: unknown, ...rest: unknown[]): boolean {
    const encoding = typeof rest[0] === "string" ? (rest[0] as BufferEncoding) : "utf8";
    if (chunk) this.#chunks.push(Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk), encoding));
    const callback = rest.at(-1);
    if (typeof callback === "function") callback();
    return true;
  }

  override end(chunk?: unknown, ...rest: unknown[]): this {
    if (this.#captured) return this;
    if (chunk && typeof chunk !== "function") this.write(chunk, typeof rest[0] === "string" ? rest[0] : undefined);
    this.#captured = true;
    const headers = { ...this.getHeaders() };
    this.#done({ status: this.statusCode, headers, body: Buffer.concat(this.#chunks).toString() });
    this.emit("finish");
    this.emit("close");
    return this;
  }
}

type Listener = (request: IncomingMessage, response: ServerResponse) => unknown;

/** Runs a Node request listener without a socket. */
export const injector =
  (listener: Listener) =>
  (input: InjectRequest): Promise<InjectResponse> =>
    new Promise((resolve, reject) => {
      const message = request(input);
      Promise.resolve(listener(message, new CapturedResponse(message, resolve))).catch(reject);
    });
