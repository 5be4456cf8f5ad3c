// node test/hardening/witness.ts PLAN: a well-behaved device in a process of its own, so that its latencies are the
// platform's and not the attacker's. One QoS 1 message at a time, every `everyMs`; answers each message of its parent
// with the latencies since the last one. Ends with 1 when a message is refused or the connection breaks.
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import mqttPacket, { type Packet } from "mqtt-packet";

export interface WitnessPlan {
  mqtt: string;
  id: string;
  secret: string;
  everyMs: number;
}

export interface WitnessReport {
  /** Milliseconds from PUBLISH to PUBACK. */
  latencies: number[];
  /** Messages acknowledged since the start. */
  acknowledged: number;
}

const plan = JSON.parse(process.argv[2] as string) as WitnessPlan;
const options = { protocolVersion: 5 };
const PACKET_IDS = 60_000;

function giveUp(why: string): never {
  process.stderr.write(`witness: ${why}\n`);
  process.exit(1);
}

const { hostname, port } = new URL(plan.mqtt);
const socket = connect(Number(port), hostname).setNoDelay(true);
const parser = mqttPacket.parser(options);
let answered: (packet: Packet) => void = () => {};
parser.on("packet", (packet: Packet) => answered(packet));
socket.on("data", (data) => parser.parse(data));
socket.on("error", (error) => giveUp(error.message));
socket.once("close", () => giveUp("the connection was closed"));

const ask = (packet: Packet): Promise<Packet & { reasonCode?: number }> =>
  new Promise((resolve) => {
    answered = resolve;
    socket.write(mqttPacket.generate(packet, options));
  });

const report: WitnessReport = { latencies: [], acknowledged: 0 };
let stopping = false;
process.on("message", (message) => {
  stopping ||= message === "stop";
  process.send?.({ ...report, latencies: report.latencies.splice(0) } satisfies WitnessReport);
});

const connack = await ask({
  ...{ cmd: "connect", protocolId: "MQTT", protocolVersion: 5, clean: true, keepalive: 60, clientId: plan.id },
  ...{ username: plan.id, password: Buffer.from(plan.secret) },
});
if (connack.cmd !== "connack" || connack.reasonCode !== 0) giveUp(`refused: ${JSON.stringify(connack)}`);

const firstTs = Date.now();
for (let n = 1; !stopping; n++) {
  const sentAt = performance.now();
  const answer = await ask({
    ...{ cmd: "publish", topic: "devices/me/telemetry", qos: 1, dup: false, retain: false },
    messageId: (n % PACKET_IDS) + 1,
    payload: `{"ts":${firstTs + n},"values":{"n":${n}}}`,
  });
  if (answer.cmd !== "puback" || (answer.reasonCode ?? 0) >= 0x80) giveUp(`message ${n}: ${JSON.stringify(answer)}`);
  report.latencies.push(performance.now() - sentAt);
  report.acknowledged = n;
  await sleep(plan.everyMs);
}
socket.removeAllListeners("close");
socket.end();
process.disconnect?.();
