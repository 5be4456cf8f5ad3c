import { existsSync } from "node:fs";
import { type Config, readConfig } from "../lib/config.ts";

/** The configuration that the platform itself would start with here. @throws ConfigError */
export function commandConfig(): Config {
  if (existsSync(".env")) process.loadEnvFile(".env");
  return readConfig(process.env);
}
