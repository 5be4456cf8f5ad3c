import { createServer as createHttpServer, type IncomingMessage } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createWebSocketStream, WebSocketServer } from "ws";
import type { EdgeOptions } from "./edge-options.ts";

/** Takes a connection over; `request` is the upgrade request of a WebSocket. */
export type Handle = (stream: Duplex, request?: IncomingMessage) => void;

type Limits = Pick<Required<EdgeOptions>, "host" | "connectTimeoutMs" | "maxConnections" | "maxPacketBytes">;

/** Room in a WebSocket message for small packets beside the largest one: frames and packets need not align. */
const FRAME_EXTRA_BYTES = 65_536;

/** What the port of a scheme is called where it is configured. */
const PORT_OF = { mqtt: "MQTT_PORT", ws: "MQTT_WS_PORT" };

const BAD_REQUEST = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/** The sockets an edge listens with; connections over the limit are closed at once. */
export class Listeners {
  readonly #limits: Limits;
  readonly #handle: Handle;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  constructor(limits: Limits, handle: Handle) {
    this.#limits = limits;
    this.#handle = handle;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** MQTT over TCP; resolves to its URL. */
  listenTcp(port: number): Promise<string> {
    const server = createServer((socket) => {
      if (!socket.destroyed) this.#handle(socket.setNoDelay(true));
    });
    return this.#listen(server, port, "mqtt");
  }

  /** MQTT over WebSocket (MQTT 5.0 section 6), any path; resolves to its URL. */
  listenWebSocket(port: number): Promise<string> {
    const { connectTimeoutMs, maxPacketBytes } = this.#limits;
    const sockets = new WebSocketServer({
      noServer: true,
      maxPayload: maxPacketBytes + FRAME_EXTRA_BYTES,
      perMessageDeflate: false,
      handleProtocols: () => "mqtt",
    });
    const server = createHttpServer(
      {
        connectionsCheckingInterval: connectTimeoutMs,
        headersTimeout: connectTimeoutMs,
        requestTimeout: connectTimeoutMs,
      },
      (_request, response) => response.writeHead(426, { upgrade: "websocket", connection: "close" }).end(),
    );
    server.on("upgrade", (request, socket, head) => {
      socket.on("error", () => {});
      if (!offersMqtt(request)) return void socket.end(BAD_REQUEST);
      sockets.handleUpgrade(request, socket, head, (webSocket) => {
        // Without a listener a second error would end the process.
        webSocket.on("error", () => {});
        webSocket.on("message", (_data, isBinary) => {
          if (!isBinary) webSocket.terminate(); // MQTT-6.0.0-1
        });
        this.#handle(createWebSocketStream(webSocket), request);
      });
    });
    return this.#listen(server, port, "ws");
  }

  #listen(server: Server, port: number, scheme: "mqtt" | "ws"): Promise<string> {
    const { host, maxConnections } = this.#limits;
    server.prependListener("connection", (socket: Socket) => {
      if (this.#sockets.size >= maxConnections) return void socket.destroy();
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) => {
        const inUse = error.code === "EADDRINUSE";
        const why = inUse ? "is already in use" : `cannot be used: ${error.message}`;
        reject(new Error(`${PORT_OF[scheme]} ${port} of ${host} ${why}`, { cause: error }));
      });
      server.listen(port, host, () => {
        const name = host.includes(":") ? `[${host}]` : host;
        resolve(`${scheme}://${name}:${(server.address() as AddressInfo).port}`);
      });
    });
  }

  /** No new connections from here on. */
  stopAccepting(): void {
    for (const server of this.#servers) server.close();
  }

  /** Resolves when every connection is gone; those that are still there after `limitMs` are cut off. */
  async closed(limitMs: number): Promise<void> {
    const gone = Promise.all(
      [...this.#sockets].map((socket) => new Promise((resolve) => socket.once("close", resolve))),
    );
    const timer = setTimeout(() => {
      // Twice: the first may only hang up.
      for (const socket of [...this.#sockets, ...this.#sockets]) socket.destroy();
    }, limitMs);
    await gone;
    clearTimeout(timer);
  }
}

const offersMqtt = ({ headers }: IncomingMessage) =>
  (headers["sec-websocket-protocol"] ?? "").split(",").some((protocol) => protocol.trim() === "mqtt");
