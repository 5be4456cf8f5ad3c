import type { BrokerOptions, Middleware } from "moleculer";
import { factsAdapter } from "./channels/facts-adapter.ts";
import { channelMiddlewares } from "./channels/middlewares.ts";
import { workAdapter } from "./channels/work-adapter.ts";
import { sharedEngines } from "./cluster/engines.ts";
import { nodeMiddleware } from "./cluster/node-middleware.ts";
import { remoteStreams } from "./cluster/streams.ts";
import { transporterHealth, transporterOptions } from "./cluster/transporter.ts";
import type { Config } from "./config.ts";
import { health } from "./health.ts";
import { logFormatOf, StructuredLogger } from "./log/logger.ts";
import { opening } from "./opening.ts";
import { serviceInfo } from "./service-info.ts";
import { settingsMiddleware } from "./service-settings.ts";

/**
 * The broker of one process: which engine stands behind which port is decided here and nowhere else.
 *
 * @param more middlewares that are loaded only where they are wanted; behind the channels, before the outside is let in.
 */
export function brokerOptions(config: Config, more: readonly Middleware[] = []): BrokerOptions {
  const facts = factsAdapter(config);
  const work = workAdapter(config);
  const { transporter, ...cluster } = transporterOptions(config);
  const others = transporter && { engines: sharedEngines(config), startedAt: Date.now() };
  return {
    ...cluster,
    ...(transporter ? { transporter, metadata: others } : {}),
    logger: new StructuredLogger({ level: config.LOG_LEVEL, format: logFormatOf(config) }),
    // Parameters are parsed by defineService.
    validator: false,
    // Dependencies are looked for this often; Moleculer's second would be most of the time to start.
    dependencyInterval: 10,
    metrics: { enabled: true, reporter: [] },
    middlewares: [
      health,
      ...(transporter && others ? [transporterHealth(transporter), remoteStreams, nodeMiddleware(others)] : []),
      settingsMiddleware(config),
      ...channelMiddlewares({ facts, work }),
      ...more,
      opening,
      serviceInfo,
    ],
  };
}
