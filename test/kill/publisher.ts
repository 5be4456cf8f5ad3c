// node test/kill/publisher.ts PLAN_JSON, with an IPC channel: publishes at QoS 1 until everything is acknowledged, through
// every outage, and writes each acknowledged message down. Asked by any IPC message, it tells its state; `stop` ends it early.
import { openSync, writeSync } from "node:fs";
import { connect as connectTcp, type Socket } from "node:net";
import mqttPacket, { type IPacket, type Packet } from "mqtt-packet";

/** What the publisher is told to do. */
export interface Plan {
  mqtt: string;
  /** One client each. */
  devices: { id: string; secret: string; version: 4 | 5 }[];
  /** What topics begin with, `tenant/`; left out: nothing, as on the embedded edge. */
  topicPrefix?: string;
  messagesPerDevice: number;
  /** Time of a device's message 0, milliseconds since 1970; message n is n milliseconds later. */
  firstTs: number;
  /** Unacknowledged messages of one client at most. */
  window: number;
  /** Messages of one client in a second at most; left out: as fast as they are acknowledged. */
  perSecond?: number;
  /** Each acknowledged message is a line `device n` at its end. */
  logFile: string;
}

/** What the publisher answers. */
export interface PublisherState {
  acknowledged: number;
  /** Messages written to connections that are open, and not acknowledged on them. */
  inFlight: number;
  /** Messages that were in flight on connections when they broke. */
  lost: number;
  /** Messages that were sent again after a connection broke. */
  resent: number;
}

const RECONNECT_MS = 20;
const RECONNECT_MAX_MS = 500;
const REFUSED_MAX = 100;
const QUOTA_EXCEEDED = 0x97;
const QUOTA_WAIT_MS = 100;
const PACE_MS = 10;
const PACKET_IDS = 65_535;

const plan = JSON.parse(process.argv[2] as string) as Plan;
const { hostname, port } = new URL(plan.mqtt);
const log = openSync(plan.logFile, "a");
const state: PublisherState = { acknowledged: 0, inFlight: 0, lost: 0, resent: 0 };
/** Ends each device's messages with those that were sent. */
const stops: (() => void)[] = [];
process.on("message", (asked) => {
  if (asked === "stop") for (const stop of stops) stop();
  process.send?.(state);
});

function giveUp(why: string): never {
  process.stderr.write(`publisher: ${why}\n`);
  process.exit(1);
}

/** Publishes a device's messages; resolves when the last is acknowledged. */
function publishAll({ id, secret, version }: Plan["devices"][number]): Promise<void> {
  const begun = performance.now();
  let total = plan.messagesPerDevice;
  const due = () => (plan.perSecond === undefined ? total : ((performance.now() - begun) / 1000) * plan.perSecond);
  /** Message number by packet id, in the order of the first sending. */
  const unacknowledged = new Map<number, number>();
  let [next, acknowledged, failures, refusals] = [0, 0, 0, 0];
  const options = { protocolVersion: version };

  const publishOf = (messageId: number, n: number, dup: boolean) =>
    mqttPacket.generate(
      {
        ...{
          cmd: "publish",
          topic: `${plan.topicPrefix ?? ""}devices/${id}/telemetry`,
          qos: 1,
          retain: false,
          dup,
          messageId,
        },
        payload: `{"ts":${plan.firstTs + n},"values":{"n":${n}}}`,
      },
      options,
    );

  return new Promise((resolve) => {
    let ending = () => {};
    stops.push(() => {
      total = next;
      ending();
    });
    const open = () => {
      const socket: Socket = connectTcp(Number(port), hostname).setNoDelay(true);
      const parser = mqttPacket.parser(options);
      let connected = false;
      let inFlight = 0;
      let window = plan.window;
      const write = (packets: Buffer[]) => {
        if (packets.length === 0) return;
        inFlight += packets.length;
        state.inFlight += packets.length;
        socket.write(Buffer.concat(packets));
      };
      const sendNew = () => {
        const packets: Buffer[] = [];
        for (const until = Math.min(due(), total); unacknowledged.size < window && next < until; next++) {
          const messageId = (next % PACKET_IDS) + 1;
          unacknowledged.set(messageId, next);
          packets.push(publishOf(messageId, next, false));
        }
        write(packets);
      };
      const begin = (connack: IPacket & { sessionPresent?: boolean; properties?: { receiveMaximum?: number } }) => {
        connected = true;
        failures = 0;
        window = Math.min(window, connack.properties?.receiveMaximum ?? window);
        // [MQTT-3.3.1-1], [MQTT-4.4.0-1]: where the session is still there it is a redelivery, else a new message.
        const dup = connack.sessionPresent === true;
        state.resent += unacknowledged.size;
        write(Array.from(unacknowledged, ([messageId, n]) => publishOf(messageId, n, dup)));
        sendNew();
      };
      ending = () => {
        if (connected && acknowledged === total) socket.end();
      };
      const lines: string[] = [];
      const acknowledge = (messageId: number, reasonCode: number) => {
        const n = unacknowledged.get(messageId);
        // A second acknowledgement of what was sent twice.
        if (n === undefined) return;
        inFlight--;
        state.inFlight--;
        if (reasonCode === QUOTA_EXCEEDED)
          return void setTimeout(() => connected && write([publishOf(messageId, n, false)]), QUOTA_WAIT_MS);
        if (reasonCode >= 0x80) giveUp(`${id} message ${n}: PUBACK 0x${reasonCode.toString(16)}`);
        unacknowledged.delete(messageId);
        acknowledged++;
        lines.push(`${id} ${n}\n`);
      };
      const pace = plan.perSecond === undefined ? undefined : setInterval(() => connected && sendNew(), PACE_MS);
      parser.on("packet", (packet: Packet) => {
        if (packet.cmd === "puback") return acknowledge(packet.messageId as number, packet.reasonCode ?? 0);
        if (packet.cmd !== "connack") return;
        const code = packet.reasonCode ?? packet.returnCode ?? 0;
        if (code === 0) begin(packet);
        // A platform that is starting may refuse; one that never takes the device is broken.
        else if (++refusals > REFUSED_MAX) giveUp(`${id}: CONNACK ${code}`);
      });
      parser.on("error", (error) => giveUp(`${id}: ${error.message}`));
      socket.on("data", (data) => {
        parser.parse(data);
        if (lines.length > 0) {
          // The log is what is believed: a line is there before the state tells of it.
          writeSync(log, lines.join(""));
          state.acknowledged += lines.splice(0).length;
        }
        if (acknowledged === total) socket.end();
        else if (connected && unacknowledged.size <= window / 2) sendNew();
      });
      socket.on("error", () => {});
      socket.once("close", () => {
        clearInterval(pace);
        if (connected) state.lost += inFlight;
        connected = false;
        state.inFlight -= inFlight;
        if (acknowledged === total) return resolve();
        const wait = Math.min(RECONNECT_MAX_MS, RECONNECT_MS * 2 ** failures++);
        setTimeout(open, wait / 2 + (Math.random() * wait) / 2);
      });
      socket.write(
        mqttPacket.generate({
          ...{ cmd: "connect", protocolId: "MQTT", protocolVersion: version, clientId: id, keepalive: 0, clean: false },
          ...{ username: id, password: Buffer.from(secret) },
          ...(version === 5 ? { properties: { sessionExpiryInterval: 3600 } } : {}),
        }),
      );
    };
    open();
  });
}

await Promise.all(plan.devices.map(publishAll));
process.disconnect?.();
