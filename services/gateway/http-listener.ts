import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface HttpListenerOptions {
  host: string;
  /** 0 = a free one. */
  port: number;
  /** Connections at once; one more is closed. */
  connectionsMax: number;
  /** From the first byte of a request to its last. */
  requestTimeoutMs: number;
  /** What a stop waits for requests that run. */
  drainTimeoutMs: number;
}

/** The socket of the gateway: bounded in time and number, and stopped within a bound. */
export class HttpListener {
  readonly url: string;
  readonly #server: Server;
  readonly #drainTimeoutMs: number;

  /** @throws Error naming the port where it cannot be listened on. */
  static async open(options: HttpListenerOptions, handle: RequestListener): Promise<HttpListener> {
    const { host, port, connectionsMax, requestTimeoutMs } = options;
    const server = createServer(
      {
        requestTimeout: requestTimeoutMs,
        headersTimeout: Math.min(requestTimeoutMs, 10_000),
        // How often Node looks for requests that are late.
        connectionsCheckingInterval: Math.min(requestTimeoutMs, 1000),
      },
      handle,
    );
    server.maxConnections = connectionsMax;
    await new Promise<void>((resolve, reject) => {
      server.once("error", (cause: NodeJS.ErrnoException) => {
        const why = cause.code === "EADDRINUSE" ? "is already in use" : `cannot be used: ${cause.message}`;
        reject(new Error(`HTTP_PORT ${port} of ${host} ${why}`, { cause }));
      });
      server.listen(port, host, resolve);
    });
    return new HttpListener(server, options);
  }

  private constructor(server: Server, { host, drainTimeoutMs }: HttpListenerOptions) {
    this.#server = server;
    this.#drainTimeoutMs = drainTimeoutMs;
    const name = host.includes(":") ? `[${host}]` : host;
    this.url = `http://${name}:${(server.address() as AddressInfo).port}`;
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
