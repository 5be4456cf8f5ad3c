import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const found = (command: string) => spawnSync("which", [command]).status === 0;

let mountable: boolean | undefined;
function canMount(): boolean {
  if (mountable !== undefined) return mountable;
  const folder = mkdtempSync(join(tmpdir(), "ganglion-mount-"));
  mountable = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]).status === 0;
  if (mountable) spawnSync("umount", [folder]);
  rmdirSync(folder);
  return mountable;
}

/** What some tests need beyond Node; the reason is shown where they are skipped, and `test/skips.json` lists them. */
export const requirements = {
  recordings: {
    reason: "needs ../shared/data",
    met: () => existsSync(fileURLToPath(new URL("../../../shared/data/mqtt_env_3dev.jsonl.gz", import.meta.url))),
  },
  tmpfs: { reason: "needs root, to mount a small tmpfs", met: canMount },
  mosquitto: { reason: "needs mosquitto's clients", met: () => found("mosquitto_pub") },
} as const;

/** The `skip` option of a test: the reason where the requirement isn't met, else false. */
export const unless = (name: keyof typeof requirements): string | false =>
  requirements[name].met() ? false : requirements[name].reason;
