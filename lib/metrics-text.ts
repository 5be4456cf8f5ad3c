import { type MetricRegistry, MetricReporters } from "moleculer";

/** What we use of the reporters; Moleculer's types leave it out. */
interface Reporter {
  init(registry: MetricRegistry): void;
  generatePrometheusResponse(): string;
  defaultLabels: object;
}
const { Base, Prometheus } = MetricReporters as unknown as {
  Base: { prototype: Reporter };
  Prometheus: new (options: object) => Reporter;
};

/** What tells of the machine and its user rather than of the platform. */
const PRIVATE = ["os.user.**", "os.network.**", "os.hostname", "process.arguments", "process.argv"];

/**
 * The metrics of this process in Prometheus' text format (0.0.4). Moleculer's own reporter would open a port for them,
 * on every address of the machine.
 *
 * @param labels that every sample has.
 */
export function metricsText(registry: MetricRegistry, labels: Record<string, string> = {}): () => string {
  const reporter = new Prometheus({ excludes: PRIVATE });
  Base.prototype.init.call(reporter, registry);
  reporter.defaultLabels = labels;
  return () => reporter.generatePrometheusResponse();
}

export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";
