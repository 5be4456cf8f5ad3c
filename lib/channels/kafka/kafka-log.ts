import type { logCreator } from "kafkajs";

type Log = Record<"debug" | "info" | "warn" | "error", (message: string, fields?: object) => void>;

/** So long the same thing is not told again: the client tells each try of each connection. */
const QUIET_MS = 30_000;
/** Things remembered at most. */
const REMEMBERED_MAX = 1000;
/** kafkajs' level of what is worth a line; its errors are retried, and what comes of them we tell ourselves. */
const WARN = 2;

/** The client's log in ours, each thing once in a while. */
export function kafkaLog(logger: Log): logCreator {
  const told = new Map<string, number>();
  return () =>
    ({ level, namespace, log }) => {
      if (level > WARN) return;
      // Numbers differ from try to try.
      const what = `${namespace} ${log.message}`.replaceAll(/\d+/g, "#");
      const now = performance.now();
      if (now - (told.get(what) ?? Number.NEGATIVE_INFINITY) < QUIET_MS) return;
      if (told.size >= REMEMBERED_MAX) told.clear();
      told.set(what, now);
      const { broker, groupId, error } = log as { broker?: string; groupId?: string; error?: unknown };
      logger.warn("Kafka client.", {
        ...{ namespace, says: log.message, broker, group: groupId },
        ...(error === undefined ? {} : { reason: error instanceof Error ? error.message : String(error) }),
      });
    };
}
