// Loaded before the platform: what its services would send to devices, a test asks for by HTTP. Prints `deliver URL`.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { EmbeddedEdge } from "../../../services/mqtt-bridge/edge/embedded-edge.ts";

/** What is to be delivered; answered with 204 when the edge has it. */
export interface Delivery {
  deviceId: string;
  topic: string;
  text: string;
  qos: 0 | 1 | 2;
  retain?: boolean;
  expirySeconds?: number;
}

const { start } = EmbeddedEdge;
EmbeddedEdge.start = async (...args) => {
  const edge = await start.apply(EmbeddedEdge, args);
  const server = createServer(async (request, response) => {
    const { deviceId, topic, text, ...options } = (await json(request)) as Delivery;
    await edge.deliver({ tenantId: "default", deviceId }, topic, Buffer.from(text), options);
    response.writeHead(204, { connection: "close" }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  process.stdout.write(`deliver http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
  return edge;
};
