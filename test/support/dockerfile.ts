import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";

export interface BuiltStage {
  /** What stands for `/` of the image. */
  root: string;
  workdir: string;
  env: Record<string, string>;
  user: string;
  command: string[];
  healthcheck: string[];
}

interface Step {
  instruction: string;
  words: string;
}

export const dockerfileSteps = (file: string): Step[] =>
  readFileSync(file, "utf8")
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [instruction = "", ...words] = line.split(" ");
      return { instruction, words: words.join(" ") };
    });

/**
 * Does what a Dockerfile says in an empty folder, one folder a stage, without containers: COPY copies, RUN runs, by this
 * machine's Node. Absolute paths of RUN are taken for the stage's own; `chown` is left out, since it needs root.
 *
 * @throws Error where a step fails or is not known.
 */
export function buildByHand(file: string, context: string, folder: string, env: NodeJS.ProcessEnv): BuiltStage {
  const stages = new Map<string, BuiltStage>();
  let stage: BuiltStage | undefined;
  const tools = join(folder, "tools");
  mkdirSync(tools, { recursive: true });
  writeFileSync(join(tools, "chown"), "#!/bin/sh\n");
  chmodSync(join(tools, "chown"), 0o755);
  for (const { instruction, words } of dockerfileSteps(file)) {
    if (instruction === "FROM") {
      const [, name = String(stages.size)] = words.split(" AS ");
      stage = { root: join(folder, name), workdir: "/", env: {}, user: "root", command: [], healthcheck: [] };
      stages.set(name, stage);
      mkdirSync(stage.root);
      continue;
    }
    if (!stage) throw new Error(`${instruction} before FROM`);
    const { root } = stage;
    const inStage = (path: string) => join(root, resolve(stage?.workdir ?? "/", path));
    if (instruction === "WORKDIR") {
      stage.workdir = words;
      mkdirSync(inStage("."), { recursive: true });
    } else if (instruction === "ENV") {
      const [name = "", value = ""] = words.split("=");
      stage.env[name] = value;
    } else if (instruction === "COPY") {
      const all = words.split(" ");
      const from = all[0]?.startsWith("--from=") ? stages.get(String(all.shift()).slice("--from=".length)) : undefined;
      const target = all.pop() as string;
      for (const source of all) {
        const path = from ? join(from.root, source) : join(context, source);
        const into = target.endsWith("/") ? join(inStage(target), basename(source)) : inStage(target);
        cpSync(path, into, { recursive: true, verbatimSymlinks: true });
      }
    } else if (instruction === "RUN") {
      const command = words.replaceAll(/(?<=\s)\/(?=\w)/g, `${root}/`);
      const PATH = `${tools}:${env["PATH"]}`;
      execFileSync("sh", ["-ec", command], { cwd: inStage("."), env: { ...env, ...stage.env, PATH }, stdio: "pipe" });
    } else if (instruction === "USER") stage.user = words;
    else if (instruction === "CMD") stage.command = JSON.parse(words) as string[];
    else if (instruction === "HEALTHCHECK") stage.healthcheck = JSON.parse(words.slice(words.indexOf("["))) as string[];
    else if (instruction !== "EXPOSE" && instruction !== "VOLUME") throw new Error(`${instruction} is not known here`);
  }
  if (!stage) throw new Error(`${file} has no stage`);
  return stage;
}
