import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTcpServer, type Socket } from "node:net";
import mqttPacket, { type IPublishPacket } from "mqtt-packet";

export interface StandInOptions {
  /** Answers a publish; 0 unless it says otherwise, nothing when undefined. */
  puback?: (published: Published, count: number, socket: Socket) => number | undefined;
  connack?: () => number;
  /** Answers a REST request itself by returning true. */
  rest?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

export interface Published {
  deviceId: string;
  topic: string;
  payload: { ts: number | string; values: Record<string, unknown> };
  text: string;
}

/** A platform small enough that a test decides each of its answers. */
export async function standIn(options: StandInOptions = {}) {
  const published: Published[] = [];
  /** What each device sent, packet by packet, and after how many bytes which of its connections ended. */
  const wire = new Map<string, string[]>();
  const registered: string[] = [];
  const sockets = new Set<Socket>();
  const http = createServer(async (request, response) => {
    if (options.rest?.(request, response)) return;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const answer = (status: number, body: object) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    const [, id] = /^\/v1\/devices\/([^/]+)\/credentials$/.exec(request.url ?? "") ?? [];
    if (id) return answer(201, { secret: `secret of ${decodeURIComponent(id)}` });
    const device = JSON.parse(Buffer.concat(chunks).toString()) as { id: string };
    const known = registered.includes(device.id);
    registered.push(device.id);
    return answer(known ? 409 : 201, device);
  });
  const mqtt = createTcpServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket)).on("error", () => {});
    const parser = mqttPacket.parser({ protocolVersion: 5 });
    let deviceId = "";
    let version: 4 | 5 = 5;
    let bytes = 0;
    const note = (what: string) => wire.set(deviceId, [...(wire.get(deviceId) ?? []), what]);
    socket.once("close", () => note(`closed after ${bytes} bytes`));
    const send = (packet: mqttPacket.Packet) => {
      if (!socket.destroyed) socket.write(mqttPacket.generate(packet, { protocolVersion: version }));
    };
    parser.on("packet", (packet) => {
      if (packet.cmd === "connect") {
        version = packet.protocolVersion as 4 | 5;
        deviceId = packet.username ?? "";
        note("connect");
        const right = packet.password?.toString() === `secret of ${deviceId}`;
        const code = right ? (options.connack?.() ?? 0) : version === 5 ? 0x87 : 5;
        send({
          cmd: "connack",
          sessionPresent: false,
          ...(version === 5 ? { reasonCode: code } : { returnCode: code }),
        });
      } else if (packet.cmd === "publish") {
        const { topic, messageId, qos } = packet as IPublishPacket;
        const text = packet.payload.toString();
        const message = { deviceId, topic, payload: JSON.parse(text), text } as Published;
        published.push(message);
        note(text);
        const reasonCode = options.puback ? options.puback(message, published.length, socket) : 0;
        if (qos === 1 && reasonCode !== undefined) send({ cmd: "puback", messageId: messageId as number, reasonCode });
      } else if (packet.cmd === "pingreq") send({ cmd: "pingresp" });
      else if (packet.cmd === "disconnect") {
        note("disconnect");
        socket.end();
      }
    });
    socket.on("data", (data) => {
      bytes += data.length;
      parser.parse(data);
    });
  });
  const port = async (server: { listen: typeof mqtt.listen; address(): unknown }) => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as { port: number }).port;
  };
  return {
    url: `http://127.0.0.1:${await port(http)}`,
    mqtt: `mqtt://127.0.0.1:${await port(mqtt)}`,
    published,
    wire,
    registered,
    async close() {
      for (const socket of sockets) socket.destroy();
      http.closeAllConnections();
      await Promise.all([http, mqtt].map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}
