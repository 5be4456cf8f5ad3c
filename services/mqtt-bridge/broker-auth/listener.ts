import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Authority } from "./authority.ts";
import { emqx } from "./emqx.ts";
import { goAuth } from "./go-auth.ts";
import type { Answer, Fields, Question } from "./question.ts";
import { rabbitmq } from "./rabbitmq.ts";

export interface AuthListenerOptions {
  host: string;
  /** 0 = a free one. */
  port: number;
  /** First part of every path: what the broker knows, and nobody else. Left out on loopback only. */
  secret?: string | undefined;
  failed(error: unknown): void;
}

const QUESTIONS: Readonly<Record<string, Readonly<Record<string, Question>>>> = {
  rabbitmq,
  emqx,
  "go-auth": goAuth,
};

/** Longer than any question: the longest are topics. */
const BODY_BYTES_MAX = 70_000;
const CONNECTIONS_MAX = 1000;
const REQUEST_MS = 10_000;

/** Where brokers ask whether a connection, or a topic, may be. Apart from REST: it is for brokers only. */
export class AuthListener {
  /** With the secret left out. */
  readonly url: string;
  readonly #server: Server;

  /** @throws Error naming the port that cannot be used */
  static async open(authority: Authority, options: AuthListenerOptions): Promise<AuthListener> {
    const { host, port } = options;
    const server = createServer({ requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS }, (request, response) => {
      respond(authority, options, request).then(
        (answer) => write(response, answer),
        (error) => {
          options.failed(error);
          write(response, { status: 503, type: "text/plain", body: "deny" });
        },
      );
    });
    server.maxConnections = CONNECTIONS_MAX;
    await new Promise<void>((resolve, reject) => {
      server.once("error", (cause: NodeJS.ErrnoException) => {
        const why = cause.code === "EADDRINUSE" ? "is already in use" : `cannot be used: ${cause.message}`;
        reject(new Error(`MQTT_AUTH_PORT ${port} of ${host} ${why}`, { cause }));
      });
      server.listen(port, host, resolve);
    });
    return new AuthListener(server, host);
  }

  private constructor(server: Server, host: string) {
    this.#server = server;
    const name = host.includes(":") ? `[${host}]` : host;
    this.url = `http://${name}:${(server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    const cut = setTimeout(() => this.#server.closeAllConnections(), 1000);
    await closed;
    clearTimeout(cut);
  }
}

async function respond(authority: Authority, options: AuthListenerOptions, request: IncomingMessage): Promise<Answer> {
  const [path = "", query = ""] = (request.url ?? "/").split("?", 2);
  const parts = path.split("/").slice(1);
  if (options.secret !== undefined && !isSame(parts.shift() ?? "", options.secret)) return NOT_FOUND;
  const [broker = "", name = "", ...rest] = parts;
  const question = Object.hasOwn(QUESTIONS, broker) ? QUESTIONS[broker] : undefined;
  if (!question || !Object.hasOwn(question, name) || rest.length > 0) return NOT_FOUND;
  if (request.method !== "GET" && request.method !== "POST") return { ...NOT_FOUND, status: 405 };
  const fields = await fieldsOf(request, new URLSearchParams(query));
  if (!fields) return { status: 400, type: "text/plain", body: "deny" };
  const asked = question[name] as Question;
  let allowed = false;
  try {
    allowed = await asked.allowed(authority, fields);
  } catch (error) {
    options.failed(error);
  }
  return asked.answer(allowed);
}

/** What was asked; undefined where it can't be read. */
async function fieldsOf(request: IncomingMessage, query: URLSearchParams): Promise<Fields | undefined> {
  if (request.method === "GET") return Object.fromEntries(query);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) return undefined;
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString();
  if (!/^application\/json\b/.test(request.headers["content-type"] ?? ""))
    return Object.fromEntries(new URLSearchParams(text));
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return undefined;
    return Object.fromEntries(
      Object.entries(value).flatMap(([name, given]: [string, unknown]) =>
        typeof given === "string" || typeof given === "number" ? [[name, String(given)]] : [],
      ),
    );
  } catch {
    return undefined;
  }
}

const NOT_FOUND: Answer = { status: 404, type: "text/plain", body: "deny" };

function write(response: ServerResponse, { status, type, body }: Answer): void {
  // A body that was not read to its end can't be followed by another question.
  const close = response.req.complete ? {} : { connection: "close" };
  response.writeHead(status, { "content-type": type, ...close }).end(body);
}

/** By digest: neither length nor content is told by the time it takes. */
function isSame(given: string, secret: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(secret));
}
