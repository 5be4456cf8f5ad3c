// node bench/idle-clients.ts MQTT_URL CLIENTS_FILE --connections N [--at-once 50]
// Opens N connections and holds them until its standard input ends. CLIENTS_FILE is JSON, [{username?, password?}], taken
// in turn. Prints one line of JSON when all are connected; a connection refused or lost is an error.
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { parseArgs } from "node:util";
import mqttPacket from "mqtt-packet";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { connections: { type: "string", default: "10000" }, "at-once": { type: "string", default: "50" } },
});
const [url = "", file = ""] = positionals;
const { hostname, port } = new URL(url);
const clients = JSON.parse(readFileSync(file, "utf8")) as { username?: string; password?: string }[];
const connections = Number(values.connections);
const sockets: Socket[] = [];

function fail(why: string): never {
  console.error(`idle-clients: ${why}, ${sockets.length} of ${connections} connections`);
  process.exit(1);
}

async function open(n: number): Promise<void> {
  const { username, password } = clients[n % clients.length] ?? {};
  const socket = connect(Number(port), hostname).setNoDelay(true);
  sockets.push(socket);
  socket.on("error", (error) => fail(error.message));
  socket.once("close", () => fail(`connection ${n} was closed`));
  socket.write(
    mqttPacket.generate({
      ...{ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clean: true, keepalive: 0, clientId: `idle-${n}` },
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password: Buffer.from(password) }),
    }),
  );
  const connack = await new Promise<Buffer>((resolve) => socket.once("data", resolve));
  if (connack[0] !== 0x20 || connack[3] !== 0) fail(`connection ${n}: ${connack.toString("hex")}`);
}

const begun = performance.now();
let next = 0;
const worker = async () => {
  for (let n = next++; n < connections; n = next++) await open(n);
};
await Promise.all(Array.from({ length: Number(values["at-once"]) }, worker));
const seconds = (performance.now() - begun) / 1000;
console.log(JSON.stringify({ connections, seconds, connectsPerSecond: Math.round(connections / seconds) }));
process.stdin.resume().once("end", () => process.exit(0));
