import { readFileSync } from "node:fs";

interface ProfileNode {
  id: number;
  callFrame: { functionName: string; url: string };
  children?: number[];
}
interface Profile {
  nodes: ProfileNode[];
  samples: number[];
  timeDeltas: number[];
}

/** Which stage a source file belongs to; the first that fits. */
const STAGES: [stage: string, belongs: RegExp][] = [
  [
    "MQTT parse and session",
    /node_modules\/(aedes|mqtt-packet|aedes-|mqemitter|bl|readable-stream)|services\/mqtt-bridge\/edge/,
  ],
  ["decode, validate, identity", /services\/mqtt-bridge|node_modules\/cborg/],
  ["log append and consume", /lib\/channels|@moleculer\/channels/],
  ["latest values", /services\/telemetry\/(latest|consumers\/latest)/],
  ["reading store", /services\/telemetry/],
  ["REST", /services\/gateway|moleculer-web/],
  ["framework", /node_modules\/moleculer/],
];

/**
 * Share of the busy time of each stage, from a V8 CPU profile. Time inside Node itself and inside native code (SQLite,
 * sockets) counts for the stage that called it; what no stage called is `sockets and timers`.
 */
export function stageShares(profileFile: string): Record<string, number> {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(profileFile, "utf8")) as Profile;
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id] as const)));
  const stageOf = (id: number | undefined): string => {
    for (let at = id; at !== undefined; at = parents.get(at)) {
      const frame = byId.get(at)?.callFrame;
      if (frame?.functionName === "(idle)") return "(idle)";
      if (frame?.functionName === "(garbage collector)") return "garbage collection";
      const stage = STAGES.find(([, belongs]) => belongs.test(frame?.url ?? ""));
      if (stage) return stage[0];
    }
    return "sockets and timers";
  };
  const cache = new Map<number, string>();
  const times: Record<string, number> = {};
  for (const [index, id] of samples.entries()) {
    const stage = cache.get(id) ?? stageOf(id);
    cache.set(id, stage);
    times[stage] = (times[stage] ?? 0) + (timeDeltas[index] ?? 0);
  }
  const { "(idle)": _, ...busy } = times;
  const total = Object.values(busy).reduce((sum, time) => sum + time, 0);
  return Object.fromEntries(
    Object.entries(busy)
      .sort(([, a], [, b]) => b - a)
      .map(([stage, time]) => [stage, Number((time / total).toFixed(3))]),
  );
}
