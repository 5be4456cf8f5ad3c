import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { BrokerOptions, Middleware } from "moleculer";
import { brokerOptions } from "./lib/broker-options.ts";
import { serviceFiles } from "./lib/cluster/service-files.ts";
import { nodeIdOf } from "./lib/cluster/transporter.ts";
import { type Config, readConfig } from "./lib/config.ts";
import { consoleSocket } from "./lib/console/socket.ts";
import { holdDataDirectory } from "./lib/data-directory.ts";
import { logFormatOf } from "./lib/log/logger.ts";
import { optionalMiddlewares } from "./lib/optional-middlewares.ts";
import {
  announceReady,
  exitingOnFailure,
  exitOnFailedStart,
  exitWith,
  limitStop,
  stopWithParent,
} from "./lib/start-and-stop.ts";

/** Everything that may be wrong before a broker exists ends here, in one line. */
function prepare(): Config {
  try {
    if (existsSync(".env")) process.loadEnvFile(".env");
    const config = readConfig(process.env);
    // The runner would lay its own reading of these over what is made of them here.
    delete process.env["TRANSPORTER"];
    delete process.env["NAMESPACE"];
    if (config.SERVICES) process.env["SERVICES"] = serviceFiles(config.SERVICES).join(",");
    holdDataDirectory(config.DATA_DIR, { nodeId: nodeIdOf(config) });
    return config;
  } catch (error) {
    return exitWith((error as Error).message);
  }
}

const config = prepare();
limitStop(config.STOP_TIMEOUT_SECONDS);
// Services that have a certificate read it again; what runs beside them, or instead of them, must not end by it.
if (config.TLS_CERT_FILE !== undefined) process.on("SIGHUP", () => {});
if (process.env["npm_lifecycle_event"] !== undefined) stopWithParent();
const options = brokerOptions(config, await optionalMiddlewares(config));

/** Our commands of Moleculer's REPL are loaded only where it is. */
async function replOptionsOf(argv: readonly string[]): Promise<BrokerOptions> {
  if (!argv.includes("--repl")) return {};
  const { replOptions } = await import("./lib/console/repl-options.ts");
  return { replOptions } as unknown as BrokerOptions;
}

export default {
  ...options,
  ...(await replOptionsOf(process.argv)),
  middlewares: [
    exitOnFailedStart,
    ...(options.middlewares ?? []),
    consoleSocket(config.DATA_DIR, nodeIdOf(config)),
  ].map((one) => exitingOnFailure(one as Middleware)),
  started(broker) {
    if (config.INSECURE_LISTEN && config.AUTH === "off")
      broker.logger.warn("INSECURE_LISTEN: REST asks for no credential and may be reached from other machines.", {
        host: config.HOST,
      });
    announceReady(broker, { dataDir: resolve(config.DATA_DIR), people: logFormatOf(config) === "text" });
  },
} satisfies BrokerOptions;
