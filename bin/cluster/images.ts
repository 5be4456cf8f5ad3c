import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import type { ComposeService } from "./compose-file.ts";
import type { LocalPlace } from "./local-place.ts";

/** A program of this machine that stands for a container. */
export interface LocalProgram {
  file: string;
  args: string[];
  env: Record<string, string>;
  /** The port that says that it is ready, where the file's own health check needs a program of the image. */
  port?: number;
  /** Where the program that serves writes its pid, where what is started is only a script around it. */
  pidFile?: string;
  /** What is run when it has ended, because it leaves something behind. */
  afterwards?: [file: string, ...args: string[]];
  /** What is to be said of it beside its name. */
  note?: string;
}

/** Where `.ci/engines` puts what no package of the system has. */
const CACHE = process.env["ENGINES_CACHE"] ?? join(homedir(), ".cache/ganglion-engines");

type Image = (service: ComposeService, place: LocalPlace) => LocalProgram;

/** Which program of this machine stands for which image: the whole table, one line for each. */
export const images: Readonly<Record<string, Image>> = {
  ganglion,
  nats: ({ command }, { ports, here }) => ({
    file: "nats-server",
    args: ["-a", "127.0.0.1", ...command.map((word) => String(ports.get(Number(word)) ?? here(word)))],
    env: {},
  }),
  "apache/kafka": kafka,
  rabbitmq,
  mongo: (_, { ports, folder }) => ({
    file: process.env["SECANTUS"] ?? join(CACHE, "secantus/bin/secantusd-py"),
    args: ["--port", String(ports.get(27017)), "--storage-path", folder("/data/db")],
    env: {},
    port: Number(ports.get(27017)),
    note: "SecantusDB, a stand-in for MongoDB in tests",
  }),
  "eclipse-mosquitto": ({ command: [file = "", ...args] }, { ports, here }) => {
    const config = here("/mosquitto/ganglion/mosquitto.conf");
    const text = here(readFileSync(config, "utf8"));
    // Started by root it would become another user, which reads none of these.
    const user = `user ${userInfo().username}\n`;
    writeFileSync(
      config,
      user + text.replace(/^listener (\d+)$/gm, (_, port) => `listener ${ports.get(Number(port))} 127.0.0.1`),
    );
    return { file, args: args.map(here), env: {}, port: Number(ports.get(1884)) };
  },
};

/** `apache/kafka:4.1.0` → the entry of `apache/kafka`. @throws Error */
export function programOf(service: ComposeService, place: LocalPlace): LocalProgram {
  const image = images[service.image.replace(/:[^/]*$/, "")];
  if (!image) throw new Error(`no program of this machine stands for the image ${service.image}`);
  return image(service, place);
}

/** Ports of our image by the variable that moves them. */
const PORTS: Readonly<Record<string, number>> = { HTTP_PORT: 3000, MQTT_PORT: 1883, MQTT_WS_PORT: 8083 };

/** Our own image: what its Dockerfile runs, with the service's variables, on loopback. */
function ganglion({ environment }: ComposeService, { ports, here }: LocalPlace): LocalProgram {
  const command = /^CMD (\[.*\])$/m.exec(readFileSync("Dockerfile", "utf8"))?.[1] ?? "[]";
  const [, ...args] = JSON.parse(command) as string[];
  const { HOST: _, INSECURE_LISTEN: __, ...rest } = environment;
  const moved = Object.entries(PORTS).map(([name, port]) => [name, String(ports.get(port) ?? 0)]);
  const variables = Object.entries(rest).map(([name, value]) => [name, here(value)]);
  return { file: process.execPath, args, env: { ...Object.fromEntries(moved), ...Object.fromEntries(variables) } };
}

/** `KAFKA_LOG_DIRS` is the property `log.dirs`; the jars are those that .ci/engines brings. */
function kafka({ environment }: ComposeService, { ports, here, folder }: LocalPlace): LocalProgram {
  const libs = process.env["KAFKA_HOME"] ?? join(CACHE, "kafka");
  if (!existsSync(libs)) throw new Error(`${libs} must have Kafka's jars; KAFKA_HOME says where else`);
  const logs = folder("/var/lib/kafka/data");
  const properties = Object.entries(environment).map(
    ([name, value]) =>
      `${name
        .replace(/^KAFKA_/, "")
        .toLowerCase()
        .replaceAll("_", ".")}=${here(value)}`,
  );
  const file = join(folder("/etc/kafka"), "server.properties");
  writeFileSync(file, `${properties.join("\n")}\n`);
  const java = (...args: string[]) => ["-Xmx512m", "-cp", join(libs, "*"), ...args];
  if (!existsSync(join(logs, "meta.properties"))) {
    const id = randomBytes(16).toString("base64url");
    execFileSync("java", java("kafka.tools.StorageTool", "format", "-t", id, "-c", file), { stdio: "ignore" });
  }
  return { file: "java", args: java("kafka.Kafka", file), env: {}, port: Number(ports.get(9092)) };
}

/** Debian's; its user and password come from a configuration, as the image makes them from variables. */
function rabbitmq({ environment }: ComposeService, { ports, folder }: LocalPlace): LocalProgram {
  const home = folder("/var/lib/rabbitmq");
  const port = Number(ports.get(5672));
  const { RABBITMQ_DEFAULT_USER: user = "guest", RABBITMQ_DEFAULT_PASS: password = "guest" } = environment;
  const config = join(home, "rabbitmq.conf");
  const plugins = join(home, "enabled_plugins");
  writeFileSync(config, `default_user = ${user}\ndefault_pass = ${password}\n`);
  writeFileSync(plugins, "[].\n");
  const env = {
    HOME: home,
    RABBITMQ_NODENAME: `ganglion-${port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(port + 1),
    ERL_EPMD_PORT: String(port + 2),
    ERL_EPMD_ADDRESS: "127.0.0.1",
    RABBITMQ_MNESIA_BASE: join(home, "mnesia"),
    RABBITMQ_LOG_BASE: join(home, "log"),
    RABBITMQ_CONFIG_FILE: config.replace(/\.conf$/, ""),
    RABBITMQ_ENABLED_PLUGINS_FILE: plugins,
    RABBITMQ_PID_FILE: join(home, "pid"),
    ERL_CRASH_DUMP: join(home, "crash.dump"),
  };
  return {
    ...{ file: "/usr/lib/rabbitmq/bin/rabbitmq-server", args: [], env, port, pidFile: env.RABBITMQ_PID_FILE },
    // Erlang's port mapper outlives the server.
    afterwards: ["epmd", "-port", env.ERL_EPMD_PORT, "-kill"],
  };
}
