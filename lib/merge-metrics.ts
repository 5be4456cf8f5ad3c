/**
 * Puts the metrics of several processes, each in Prometheus' text format, into one text: there a metric's samples stand
 * together, under one head. The samples have the process's name in a label of their own.
 */
export function mergeMetrics(texts: readonly string[]): string {
  const metrics = new Map<string, { head: string[]; samples: string[] }>();
  for (const text of texts) {
    let current: { head: string[]; samples: string[] } | undefined;
    let isFirst = false;
    for (const line of text.split("\n")) {
      if (line === "") continue;
      const named = /^# (?:HELP|TYPE) (\S+)/.exec(line);
      if (!named) {
        current?.samples.push(line);
        continue;
      }
      const [, name = ""] = named;
      const known = metrics.get(name);
      if (!known) metrics.set(name, { head: [], samples: [] });
      const metric = metrics.get(name) as { head: string[]; samples: string[] };
      if (current !== metric) isFirst = !known;
      current = metric;
      if (isFirst) metric.head.push(line);
    }
  }
  return `${[...metrics.values()].flatMap(({ head, samples }) => [...head, ...samples]).join("\n")}\n`;
}
