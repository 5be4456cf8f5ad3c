import { Loggers, type LogLevels } from "moleculer";
import type { Config } from "../config.ts";
import { jsonLine, recordOf, textLine } from "./record.ts";

export type LogFormat = "json" | "text";

export interface LoggerOptions {
  level: LogLevels;
  format: LogFormat;
  /** @default standard error: standard output is for the ready line, and for what a command answers. */
  write?: (line: string) => unknown;
}

/** What the framework tells of its own course; it is told from "debug" on. */
const FRAMEWORK = ["BROKER", "REGISTRY", "METRICS", "CHANNELS", "TRANSIT", "CACHER", "$NODE"];
const COURSE = /^(Service '.*' (started|is stopped|stopped)\.|Waiting for service\(s\)|Service\(s\) .* are available)/;

/** Format of the log where none is configured: for people at a terminal, for programs elsewhere. */
export const logFormatOf = ({ LOG_FORMAT }: Pick<Config, "LOG_FORMAT">): LogFormat =>
  LOG_FORMAT ?? (process.stderr.isTTY ? "text" : "json");

/** Writes the log, one record a line. */
export class StructuredLogger extends Loggers.Base<{ level: LogLevels }> {
  readonly #options: Required<LoggerOptions>;

  constructor(options: LoggerOptions) {
    super({ level: options.level });
    this.#options = { write: (line) => process.stderr.write(line), ...options };
  }

  override getLogHandler(bindings: { mod?: string; nodeID?: string }) {
    const { level, format, write } = this.#options;
    const module = String(bindings.mod ?? "");
    const of = { module, nodeID: String(bindings.nodeID ?? "") };
    const own = LEVELS.indexOf(level);
    const most = FRAMEWORK.includes(module.toUpperCase()) && level === "info" ? LEVELS.indexOf("warn") : own;
    const line = format === "json" ? jsonLine : textLine;
    return (type: string, args: unknown[]) => {
      if (LEVELS.indexOf(type) > most) return;
      if (level === "info" && type === "info" && COURSE.test(String(args[0]))) return;
      write(line(recordOf(of, type, args, new Date())));
    };
  }
}

const LEVELS: string[] = ["fatal", "error", "warn", "info", "debug", "trace"];
