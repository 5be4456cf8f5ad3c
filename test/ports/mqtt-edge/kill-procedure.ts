import type { IConnackPacket, IPublishPacket } from "mqtt-packet";
import { startPlatform } from "../../support/platform.ts";
import { restClient } from "../../support/rest.ts";
import type { Delivery } from "./deliver-hook.ts";
import { RawClient, type Version } from "./suite/raw-client.ts";
import { connectPacket, kept, publishPacket, subscribePacket } from "./suite/subject.ts";

const ID = "boiler-7";
const CONFIG = `devices/${ID}/config`;
const BURST = 300;

/** Module that breaks the build on purpose. */
export type Control = "forget-sessions" | "promise-before-commit";

/** The platform with a door for deliveries, killed and started again in one folder. */
async function killable(control?: Control) {
  const modules = ["./deliver-hook.ts", ...(control ? [`./controls/${control}.ts`] : [])];
  const nodeOptions = modules.map((module) => `--import=${new URL(module, import.meta.url).href}`);
  let platform = await startPlatform({ nodeOptions, env: { LOG_LEVEL: "error" } });
  const { dataDir } = platform;
  const rest = restClient(platform.http);
  await rest.register(ID);
  const password = Buffer.from(await rest.credential(ID));
  return {
    get rest() {
      return restClient(platform.http);
    },
    async deliver(text: string, qos: 1 | 2): Promise<void> {
      const door = /^deliver (\S+)$/m.exec(platform.output())?.[1] as string;
      const body = JSON.stringify({ deviceId: ID, topic: CONFIG, text, qos } satisfies Delivery);
      const { status } = await fetch(door, { method: "POST", body });
      if (status !== 204) throw new Error(`delivery answered ${status}`);
    },
    async kill(): Promise<void> {
      await platform.kill("SIGKILL");
      platform = await startPlatform({ nodeOptions, dataDir, env: { LOG_LEVEL: "error" } });
    },
    stop: () => platform.kill("SIGKILL"),
    async connect(version: Version): Promise<{ client: RawClient; present: boolean }> {
      const client = new RawClient(platform.mqtt, version);
      client.send(connectPacket(version, { ...kept(version), password }));
      const { sessionPresent } = (await client.next()) as IConnackPacket;
      return { client, present: sessionPresent };
    },
  };
}

export interface QueueSeen {
  /** Of every session that was to be resumed. */
  present: boolean;
  /** Left out where there was no session. */
  queued?: string[];
  released?: (string | undefined)[];
  again?: (string | undefined)[];
  left?: string[];
  /** QoS 1 messages that came again after they were acknowledged. */
  publishedAgain?: number;
}

/** What a client sees of two messages, of QoS 1 and 2, that were queued for it, over two kills of the platform. */
export async function killWithQueue(version: Version, control?: Control): Promise<QueueSeen> {
  const killed = await killable(control);
  try {
    const first = await killed.connect(version);
    first.client.send({ ...subscribePacket(1), subscriptions: [{ topic: CONFIG, qos: 2 }] });
    await first.client.next();
    first.client.cut();
    await killed.deliver("one", 1);
    await killed.deliver("two", 2);
    await killed.kill();

    const second = await killed.connect(version);
    if (!second.present) return { present: second.present };
    const queued: string[] = [];
    for (let i = 0; i < 2; i++) {
      const { payload, qos, messageId, dup } = (await second.client.next()) as IPublishPacket;
      queued.push(`${payload} q${qos}${dup ? " dup" : ""}`);
      second.client.send({ cmd: qos === 1 ? "puback" : "pubrec", messageId: messageId as number });
    }
    const released = (await second.client.answers(1)).map((answer) => answer.split(" ")[0]);
    await killed.kill();

    const third = await killed.connect(version);
    const again = await third.client.early();
    for (const answer of again) third.client.send({ cmd: "pubcomp", messageId: Number(answer.split(" ")[1]) });
    await third.client.early();
    third.client.cut();
    const last = await killed.connect(version);
    const left = await last.client.early();
    last.client.cut();
    return {
      present: second.present && third.present && last.present,
      ...{ queued, released, left },
      // A PUBACK need not be durable: QoS 1 is "at least once".
      again: again.map((answer) => answer.split(" ")[0]).filter((answer) => answer !== "publish"),
      publishedAgain: again.filter((answer) => answer.startsWith("publish")).length,
    };
  } finally {
    await killed.stop();
  }
}

/**
 * Publishes messages without a time of their own, at both QoS, kills the platform amid them, and sends what was not
 * acknowledged again, as MQTT wants it. Gives how often each was stored.
 */
export async function killAmidMessages(version: Version, kills: number, control?: Control) {
  const killed = await killable(control);
  try {
    /** Message number by packet id: what is not through. */
    const open = new Map<number, number>();
    let [present, resent] = [true, 0];
    for (let round = 0; round <= kills; round++) {
      const connection = await killed.connect(version);
      if (round > 0) present &&= connection.present;
      const { client } = connection;
      const packet = (id: number, n: number, dup: boolean) =>
        publishPacket(id, `{"n":${n}}`, { dup, qos: id % 2 === 0 ? 1 : 2, topic: "devices/me/telemetry" });
      resent += open.size;
      const again = [...open].map(([id, n]) => packet(id, n, true));
      const fresh = Array.from({ length: BURST }, (_, i) => [round * BURST + i + 1, round * BURST + i] as const);
      for (const [id, n] of fresh) open.set(id, n);
      client.send(...again, ...fresh.map(([id, n]) => packet(id, n, false)));
      const until = round === kills ? 0 : BURST / 2;
      while (open.size > until) {
        const answer = await client.next();
        if (answer === "closed") throw new Error("the connection was closed");
        const id = answer.messageId as number;
        if (answer.cmd === "pubrec") client.send({ cmd: "pubrel", messageId: id });
        else open.delete(id);
      }
      if (round < kills) await killed.kill();
      client.cut();
    }
    const total = BURST * (kills + 1);
    const stored = new Map<number, number>();
    for (const deadline = Date.now() + 10_000; ; ) {
      const readings = await killed.rest.readings(ID);
      stored.clear();
      for (const { values } of readings) {
        const n = Number(values["n"]);
        stored.set(n, (stored.get(n) ?? 0) + 1);
      }
      if (stored.size >= total || Date.now() > deadline) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const doubled = [...stored.values()].filter((times) => times > 1).length;
    return { present, resent, lost: total - stored.size, doubled };
  } finally {
    await killed.stop();
  }
}
