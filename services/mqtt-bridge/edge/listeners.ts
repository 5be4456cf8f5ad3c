import { createServer as createHttpServer, type Server as HttpServer, type IncomingMessage } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer } from "node:tls";
import { createWebSocketStream, type WebSocket, WebSocketServer } from "ws";
import { readTlsFiles, type TlsFiles } from "../../../lib/tls-files.ts";
import type { Options } from "./edge-options.ts";

/**
 * Takes a connection over; `request` is the upgrade request of a WebSocket. A crowded one exceeds the limit and is to be
 * told so.
 */
export type Handle = (stream: Duplex, request: IncomingMessage | undefined, crowded: boolean) => void;

type Limits = Pick<Options, "host" | "connectTimeoutMs" | "maxConnections" | "maxPacketBytes" | "tls">;

/** Room in a WebSocket message for small packets beside the largest one: frames and packets need not align. */
const FRAME_EXTRA_BYTES = 65_536;
/** Connections over the limit that are told so at once; those above are closed without a word. */
const CROWDED_MAX = 64;

/** What the port of a scheme is called where it is configured. */
const PORT_OF = { mqtt: "MQTT_PORT", mqtts: "MQTT_TLS_PORT", ws: "MQTT_WS_PORT", wss: "MQTT_WSS_PORT" };

const BAD_REQUEST = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/** The sockets an edge listens with. */
export class Listeners {
  readonly #limits: Limits;
  readonly #handle: Handle;
  readonly #servers: Server[] = [];
  readonly #secure: { setSecureContext(context: { cert: Buffer; key: Buffer }): void }[] = [];
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
    return this.#listen(
      createServer((socket) => this.#take(socket)),
      port,
      "mqtt",
    );
  }

  /** MQTT over TLS; resolves to its URL. @throws Error naming the file that is wrong */
  async listenTls(port: number): Promise<string> {
    const { connectTimeoutMs: handshakeTimeout } = this.#limits;
    const server = createTlsServer({ ...this.#certificate(), handshakeTimeout }, (socket) => this.#take(socket));
    this.#secure.push(server);
    return this.#listen(server, port, "mqtts");
  }

  /** MQTT over WebSocket (MQTT 5.0 section 6), any path; resolves to its URL. */
  listenWebSocket(port: number): Promise<string> {
    return this.#listen(this.#upgrading(createHttpServer(this.#httpOptions(), upgradeRequired)), port, "ws");
  }

  /** MQTT over WebSocket over TLS; resolves to its URL. @throws Error naming the file that is wrong */
  async listenSecureWebSocket(port: number): Promise<string> {
    const server = createHttpsServer({ ...this.#certificate(), ...this.#httpOptions() }, upgradeRequired);
    this.#secure.push(server);
    return this.#listen(this.#upgrading(server), port, "wss");
  }

  /** For connections from here on. @throws Error naming the file that is wrong; the former certificate stays. */
  reloadCertificate(): void {
    if (this.#secure.length === 0) return;
    const certificate = this.#certificate();
    for (const server of this.#secure) server.setSecureContext(certificate);
  }

  #certificate(): { cert: Buffer; key: Buffer } {
    return readTlsFiles(this.#limits.tls as TlsFiles);
  }

  #httpOptions() {
    const { connectTimeoutMs } = this.#limits;
    return {
      connectionsCheckingInterval: connectTimeoutMs,
      headersTimeout: connectTimeoutMs,
      requestTimeout: connectTimeoutMs,
    };
  }

  #upgrading<S extends HttpServer>(server: S): S {
    const sockets = new WebSocketServer({
      noServer: true,
      maxPayload: this.#limits.maxPacketBytes + FRAME_EXTRA_BYTES,
      perMessageDeflate: false,
      handleProtocols: () => "mqtt",
    });
    server.on("upgrade", (request, socket, head) => {
      socket.on("error", () => {});
      if (!offersMqtt(request)) return void socket.end(BAD_REQUEST);
      sockets.handleUpgrade(request, socket, head, (webSocket) => this.#takeWebSocket(webSocket, request));
    });
    return server;
  }

  #takeWebSocket(webSocket: WebSocket, request: IncomingMessage): void {
    // Without a listener a second error would end the process.
    webSocket.on("error", () => {});
    let stream: Duplex | undefined;
    // Before the stream's own listener, which then finds it destroyed and drops the text (MQTT-6.0.0-1).
    webSocket.on("message", (_data, isBinary) => {
      if (!isBinary) stream?.destroy();
    });
    stream = createWebSocketStream(webSocket);
    this.#handle(stream, request, this.#crowded);
  }

  #take(socket: Socket): void {
    if (!socket.destroyed) this.#handle(socket.setNoDelay(true), undefined, this.#crowded);
  }

  get #crowded(): boolean {
    return this.#sockets.size > this.#limits.maxConnections;
  }

  #listen(server: Server, port: number, scheme: keyof typeof PORT_OF): Promise<string> {
    const { host, maxConnections } = this.#limits;
    server.on("tlsClientError", () => {});
    server.prependListener("connection", (socket: Socket) => {
      if (this.#sockets.size >= maxConnections + CROWDED_MAX) return void socket.destroy();
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

const upgradeRequired = (_request: IncomingMessage, response: import("node:http").ServerResponse) =>
  response.writeHead(426, { upgrade: "websocket", connection: "close" }).end();

const offersMqtt = ({ headers }: IncomingMessage) =>
  (headers["sec-websocket-protocol"] ?? "").split(",").some((protocol) => protocol.trim() === "mqtt");
