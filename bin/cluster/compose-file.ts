import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";

const Condition = z.enum(["service_started", "service_healthy"]);
const DependsOn = z.union([
  z
    .array(z.string())
    .transform((names) => Object.fromEntries(names.map((name) => [name, { condition: "service_started" as const }]))),
  z.record(z.string(), z.object({ condition: Condition })),
]);

/** What is read of a service; the rest of it is for container engines. */
const Service = z.object({
  image: z.string(),
  command: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.coerce.string()).default({}),
  /** `[HOST:]PUBLISHED:CONTAINER` */
  ports: z.array(z.string()).default([]),
  expose: z.array(z.coerce.string()).default([]),
  /** `VOLUME:PATH` */
  volumes: z.array(z.string()).default([]),
  configs: z.array(z.object({ source: z.string(), target: z.string() })).default([]),
  depends_on: DependsOn.default({}),
  profiles: z.array(z.string()).default([]),
  healthcheck: z
    .object({
      test: z.array(z.string()).min(2),
      interval: z.string().default("30s"),
      timeout: z.string().default("30s"),
      retries: z.number().default(3),
      start_period: z.string().default("0s"),
    })
    .optional(),
});
const Compose = z.object({
  services: z.record(z.string(), Service),
  configs: z.record(z.string(), z.object({ content: z.string() })).default({}),
});

export type ComposeService = z.output<typeof Service>;
export type ComposeFile = z.output<typeof Compose>;

/** Reads the topology, with `${NAME}`, `${NAME-default}` and `${NAME:-default}` filled in. @throws Error */
export function readCompose(file: string, env: NodeJS.ProcessEnv): ComposeFile {
  const fill = (value: unknown): unknown => {
    if (typeof value === "string") return interpolate(value, env);
    if (Array.isArray(value)) return value.map(fill);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, fill(one)]));
  };
  return Compose.parse(fill(parse(readFileSync(file, "utf8"), { merge: true })));
}

export const interpolate = (text: string, env: NodeJS.ProcessEnv): string =>
  text.replace(
    /\$(\$|\{(\w+)(?:(:?-)([^}]*))?\})/g,
    (_, escaped: string, name: string, how?: string, fallback = "") => {
      if (escaped === "$") return "$";
      const value = env[name];
      return (how === ":-" && value === "") || value === undefined ? fallback : value;
    },
  );

/** `1.5s`, `500ms`, `2m` in milliseconds. */
export function durationMs(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text) ?? [];
  if (amount === undefined) throw new Error(`${text} is no duration`);
  return Number(amount) * { ms: 1, s: 1000, m: 60_000 }[unit as "ms" | "s" | "m"];
}
