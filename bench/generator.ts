// node bench/generator.ts MQTT_URL CLIENTS_FILE [--messages 100000] [--window 200] [--version 4|5]
// QoS 1 load on raw sockets, as a process of its own: a client library would be the bottleneck. CLIENTS_FILE is JSON,
// [{clientId, username?, password?, topic}]; each client sends its share, {"ts":…,"values":{n, temperature, humidity}},
// with `n` from 1. Every message not acknowledged, or refused, is an error. Prints JSON on standard output.
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { parseArgs } from "node:util";
import mqttPacket from "mqtt-packet";

interface Client {
  clientId: string;
  topic: string;
  username?: string;
  password?: string;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    messages: { type: "string", default: "100000" },
    window: { type: "string", default: "200" },
    version: { type: "string", default: "4" },
  },
});
const [url = "", file = ""] = positionals;
const { hostname, port } = new URL(url);
const clients = JSON.parse(readFileSync(file, "utf8")) as Client[];
const share = Math.floor(Number(values.messages) / clients.length);
const version = Number(values.version) as 4 | 5;
/** Not of now: a run's readings must not depend on when it runs. */
const FIRST_TS = 1_700_000_000_000;
const PACKET_IDS = 60_000;

async function open({ clientId, username, password }: Client): Promise<Socket> {
  const socket = connect(Number(port), hostname).setNoDelay(true);
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  socket.write(
    mqttPacket.generate({
      ...{ cmd: "connect", protocolId: "MQTT", protocolVersion: version, clean: true, keepalive: 0, clientId },
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password: Buffer.from(password) }),
    }),
  );
  const parser = mqttPacket.parser({ protocolVersion: version });
  const connack = await new Promise<mqttPacket.Packet>((resolve, reject) => {
    parser.once("packet", resolve);
    socket.once("data", (data) => parser.parse(data)).once("close", () => reject(new Error("closed before CONNACK")));
  });
  const code = connack.cmd === "connack" ? (connack.reasonCode ?? connack.returnCode) : undefined;
  if (code !== 0) throw new Error(`${clientId}: CONNACK ${code}`);
  return socket;
}

/** Sends the client's share, a window at a time; resolves when all of it is acknowledged. */
function drive(socket: Socket, { clientId, topic }: Client, window: number): Promise<void> {
  const parser = mqttPacket.parser({ protocolVersion: version });
  let [sent, acknowledged] = [0, 0];
  const fill = () => {
    const chunk: Buffer[] = [];
    for (; sent - acknowledged < window && sent < share; ) {
      const n = ++sent;
      const temperature = 20 + (n % 100) / 10;
      const payload = `{"ts":${FIRST_TS + n},"values":{"n":${n},"temperature":${temperature},"humidity":${40 + (n % 37)}}}`;
      const messageId = (n % PACKET_IDS) + 1;
      chunk.push(
        mqttPacket.generate(
          { cmd: "publish", topic, payload, qos: 1, messageId, retain: false, dup: false },
          { protocolVersion: version },
        ),
      );
    }
    if (chunk.length > 0) socket.write(Buffer.concat(chunk));
  };
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`${clientId}: ${why} after ${acknowledged} of ${share} messages`));
    parser.on("packet", (packet) => {
      if (packet.cmd !== "puback") return fail(packet.cmd);
      if ((packet.reasonCode ?? 0) >= 0x80) return fail(`PUBACK 0x${packet.reasonCode?.toString(16)}`);
      acknowledged++;
      if (acknowledged === share) resolve();
    });
    socket.on("data", (data) => {
      parser.parse(data);
      if (sent - acknowledged <= window / 2) fill();
    });
    socket.once("close", () => fail("connection closed"));
    fill();
  });
}

const sockets = await Promise.all(clients.map(open));
const started = performance.now();
await Promise.all(sockets.map((socket, index) => drive(socket, clients[index] as Client, Number(values.window))));
const seconds = (performance.now() - started) / 1000;
const acknowledged = share * clients.length;
console.log(
  JSON.stringify({ version, acknowledged, seconds, acknowledgedPerSecond: Math.round(acknowledged / seconds) }),
);
process.exit(0);
