// npm run cluster [-- --without NAME,… --profile NAME --data FOLDER]: the topology of docker-compose.yml from programs of
// this machine, on loopback. Engines that are not installed can be left out; the embedded ones take their place.
import { mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { exitWith } from "../lib/start-and-stop.ts";
import { readCompose } from "./cluster/compose-file.ts";
import { programOf } from "./cluster/images.ts";
import { placesOf } from "./cluster/local-place.ts";
import { LocalService } from "./cluster/local-service.ts";
import { without } from "./cluster/subset.ts";

const GRACE_MS = 10_000;
/** What is spoken on the ports of our image. */
const SCHEMES: Readonly<Record<number, string>> = { 3000: "http", 1883: "mqtt", 8083: "ws" };
const started: LocalService[] = [];
let stopping = false;

/** What waits for others goes first. */
async function stop(code: number): Promise<void> {
  if (stopping) return;
  stopping = true;
  for (const service of started.toReversed()) await service.stop(GRACE_MS);
  process.exit(code);
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => void stop(0));

try {
  const { values } = parseArgs({
    options: {
      file: { type: "string", default: "docker-compose.yml" },
      without: { type: "string", default: "" },
      profile: { type: "string", default: "" },
      data: { type: "string", default: "data/cluster" },
    },
  });
  const list = (text: string) => text.split(",").filter(Boolean);
  const file = without(readCompose(values.file, process.env), list(values.without), list(values.profile));
  const root = resolve(values.data);
  const logs = join(root, "logs");
  rmSync(logs, { recursive: true, force: true });
  mkdirSync(logs, { recursive: true, mode: 0o700 });
  const places = await placesOf(file, root);

  const running = new Map<string, Promise<LocalService>>();
  const start = (name: string): Promise<LocalService> => {
    const known = running.get(name);
    if (known) return known;
    const starting = begin(name);
    running.set(name, starting);
    return starting;
  };
  const begin = async (name: string): Promise<LocalService> => {
    const service = file.services[name];
    const place = places.get(name);
    if (!service || !place) throw new Error(`${name} is waited for, and is not in the file`);
    await Promise.all(
      Object.entries(service.depends_on).map(async ([other, { condition }]) => {
        const it = await start(other);
        if (condition === "service_healthy") await healthy(it);
      }),
    );
    const program = programOf(service, place);
    const local = new LocalService(name, service, program, place, join(logs, `${name}.log`));
    started.push(local);
    console.log(`start ${name} pid ${local.pid}${program.note ? ` (${program.note})` : ""}`);
    return local;
  };
  const checks = new Map<LocalService, Promise<void>>();
  const healthy = (service: LocalService): Promise<void> => {
    const check = checks.get(service) ?? service.healthy().then(() => console.log(`healthy ${service.name}`));
    checks.set(service, check);
    return check;
  };
  await Promise.all(Object.keys(file.services).map(async (name) => healthy(await start(name))));
  const urls = [...places].flatMap(([name, { ports }]) =>
    file.services[name]?.ports.length
      ? [...ports].map(([port, local]) => `${SCHEMES[port] ?? "tcp"}://127.0.0.1:${local}`)
      : [],
  );
  console.log(`ready ${urls.sort().join(" ")}`);
  setInterval(() => {
    const gone = started.find(({ ended }) => ended);
    if (!gone || stopping) return;
    process.stderr.write(`ganglion: ${gone.name} has ended; see ${join(logs, `${gone.name}.log`)}\n`);
    void stop(1);
  }, 500);
} catch (error) {
  if (started.length === 0) exitWith((error as Error).message);
  process.stderr.write(`ganglion: ${(error as Error).message}\n`);
  await stop(1);
}
