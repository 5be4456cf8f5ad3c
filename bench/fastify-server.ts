// What the gateway is held next to: Fastify with the same answer, request id, metrics and log line.
import { randomUUID } from "node:crypto";
import Fastify from "fastify";
import { ServiceBroker } from "moleculer";
import { logFormatOf, StructuredLogger } from "../lib/log/logger.ts";

const ACCEPTED = /^[\w.:+/=-]{1,128}$/;
const broker = new ServiceBroker({
  logger: new StructuredLogger({ level: "info", format: logFormatOf({ LOG_FORMAT: "json" }) }),
  metrics: { enabled: true, reporter: [] },
});
const { metrics } = broker;
const labelNames = ["route"];
metrics.register({ name: "http.total", type: "counter", labelNames });
metrics.register({ name: "http.active", type: "gauge", labelNames });
metrics.register({ name: "http.time", type: "histogram", labelNames, quantiles: true, buckets: true, unit: "ms" });

const fastify = Fastify({
  logger: false,
  genReqId: ({ headers }) => {
    const given = headers["x-request-id"];
    return typeof given === "string" && ACCEPTED.test(given) ? given : randomUUID();
  },
});
const begun = new WeakMap<object, number>();
fastify.addHook("onRequest", (request, reply, done) => {
  begun.set(request, performance.now());
  reply.header("X-Request-ID", request.id);
  reply.header("X-Content-Type-Options", "nosniff");
  const labels = { route: String(request.routeOptions.url) };
  metrics.increment("http.total", labels);
  metrics.increment("http.active", labels);
  done();
});
fastify.addHook("onResponse", (request, reply, done) => {
  const ms = performance.now() - (begun.get(request) ?? 0);
  const labels = { route: String(request.routeOptions.url) };
  metrics.decrement("http.active", labels);
  metrics.observe("http.time", ms, labels);
  broker.logger.info("Request.", {
    requestId: request.id,
    method: request.method,
    path: request.url.split("?", 1)[0],
    status: reply.statusCode,
    ms: Math.round(ms),
  });
  done();
});
fastify.get("/v1/open", async () => ({ name: "Ganglion", api: "/v1" }));
process.stdout.write(`ready ${await fastify.listen({ host: "127.0.0.1", port: 0 })}\n`);
