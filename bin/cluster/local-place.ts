import { mkdirSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { basename, join } from "node:path";
import type { ComposeFile } from "./compose-file.ts";

/** Where a container's ports and paths are on this machine. */
export interface LocalPlace {
  /** Ports of this service, by the container's. */
  ports: ReadonlyMap<number, number>;
  /** Rewrites addresses of all services, and paths of this one. */
  here(text: string): string;
  /** Folder of a volume's path, or of anything that the service may write. */
  folder(path: string): string;
}

const LOOPBACK = "127.0.0.1";

/** Gives every service its ports, published ones as the file says, and its folders below `root`. */
export async function placesOf(file: ComposeFile, root: string): Promise<Map<string, LocalPlace>> {
  const ports = new Map<string, Map<number, number>>();
  for (const [name, service] of Object.entries(file.services)) {
    const own = new Map<number, number>();
    for (const container of service.expose) own.set(Number(container), await freePort());
    for (const text of service.ports) {
      const [container, published] = text.split(":").toReversed().map(Number);
      own.set(Number(container), published === undefined || published === 0 ? await freePort() : published);
    }
    ports.set(name, own);
  }
  const names = [...ports.keys()].sort((a, b) => b.length - a.length).join("|");
  const address = new RegExp(`(?<![\\w.-])(${names}|127\\.0\\.0\\.1|localhost):(\\d+)`, "g");
  const places = new Map<string, LocalPlace>();
  for (const [name, service] of Object.entries(file.services)) {
    const paths = new Map<string, string>();
    for (const text of service.volumes) {
      const [volume = "", path = ""] = text.split(":");
      paths.set(path, join(root, "volumes", volume));
    }
    const own = ports.get(name) as Map<number, number>;
    const addresses = (text: string) =>
      text.replace(address, (whole, host: string, port: string) => {
        const found = (ports.get(host) ?? own).get(Number(port));
        return found === undefined ? whole : `${LOOPBACK}:${found}`;
      });
    for (const { source, target } of service.configs) {
      const local = join(root, name, basename(target));
      paths.set(target, local);
      mkdirSync(join(root, name), { recursive: true });
      const { content = "" } = file.configs[source] ?? {};
      writeFileSync(local, content);
    }
    for (const folder of [...paths.values()].slice(0, service.volumes.length)) mkdirSync(folder, { recursive: true });
    places.set(name, {
      ports: own,
      here: (text) => addresses([...paths].reduce((all, [path, local]) => all.replaceAll(path, local), text)),
      folder(path) {
        const folder = paths.get(path) ?? join(root, name, path);
        mkdirSync(folder, { recursive: true });
        return folder;
      },
    });
  }
  return places;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, LOOPBACK);
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
