import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { readTlsFiles, type TlsFiles } from "../../lib/tls-files.ts";
import { type RefusedBytes, refuseBytes } from "./refused-bytes.ts";

export interface HttpListenerOptions {
  host: string;
  /** 0 = a free one. */
  port: number;
  /** Given: HTTPS. */
  tls?: TlsFiles | undefined;
  /** Connections at once; one more is closed. */
  connectionsMax: number;
  /** From the first byte of a request to its last. */
  requestTimeoutMs: number;
  /** From an answer to the next request; then the connection is closed. */
  keepAliveMs: number;
  /** What a stop waits for requests that run. */
  drainTimeoutMs: number;
  /** Told of bytes that are no request. */
  refused: (refusal: RefusedBytes) => void;
}

/** Of the connections that are taken: above it those that wait for their next request are closed. */
const CROWDED = 0.9;

/** The socket of the gateway: bounded in time and number, and stopped within a bound. */
export class HttpListener {
  readonly url: string;
  readonly #server: Server;
  readonly #drainTimeoutMs: number;
  readonly #tls: TlsFiles | undefined;

  /** @throws Error naming the port where it cannot be listened on, or the file of the certificate that is wrong. */
  static async open(options: HttpListenerOptions, handle: RequestListener): Promise<HttpListener> {
    const { host, port, tls, connectionsMax, requestTimeoutMs, keepAliveMs, refused } = options;
    const timeouts = {
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: keepAliveMs,
      headersTimeout: Math.min(requestTimeoutMs, 10_000),
      // How often Node looks for requests that are late.
      connectionsCheckingInterval: Math.min(requestTimeoutMs, 1000),
    };
    const server = tls
      ? createTlsServer({ ...readTlsFiles(tls), ...timeouts, handshakeTimeout: timeouts.headersTimeout }, handle)
      : createServer(timeouts, handle);
    server.maxConnections = connectionsMax;
    server.on("clientError", (error, socket) => refuseBytes(error, socket, refused));
    let open = 0;
    server.on("connection", (socket) => {
      socket.once("close", () => open--);
      // Who is served already makes room for who comes.
      if (++open > connectionsMax * CROWDED) server.closeIdleConnections();
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", (cause: NodeJS.ErrnoException) => {
        const why = cause.code === "EADDRINUSE" ? "is already in use" : `cannot be used: ${cause.message}`;
        reject(new Error(`${tls ? "HTTPS_PORT" : "HTTP_PORT"} ${port} of ${host} ${why}`, { cause }));
      });
      server.listen(port, host, resolve);
    });
    return new HttpListener(server, options);
  }

  private constructor(server: Server, { host, tls, drainTimeoutMs }: HttpListenerOptions) {
    this.#server = server;
    this.#tls = tls;
    this.#drainTimeoutMs = drainTimeoutMs;
    const name = host.includes(":") ? `[${host}]` : host;
    this.url = `${tls ? "https" : "http"}://${name}:${(server.address() as AddressInfo).port}`;
  }

  /** For connections from here on. @throws Error naming the file that is wrong; the former certificate stays. */
  reloadCertificate(): void {
    if (this.#tls) (this.#server as TlsServer).setSecureContext(readTlsFiles(this.#tls));
  }

  /** Lets requests that run end, within `drainTimeoutMs`. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    const cut = setTimeout(() => this.#server.closeAllConnections(), this.#drainTimeoutMs);
    await closed;
    clearTimeout(cut);
  }
}
