import type { Middleware } from "moleculer";
import type { Config } from "./config.ts";

/** What is loaded only where it is configured, so that nobody else pays for it. */
export async function optionalMiddlewares(config: Config): Promise<Middleware[]> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT } = config;
  if (OTEL_EXPORTER_OTLP_ENDPOINT === undefined) return [];
  const { tracingMiddleware } = await import("./tracing/middleware.ts");
  return [tracingMiddleware({ ...config, OTEL_EXPORTER_OTLP_ENDPOINT })];
}
