// Loaded into the platform's process by --import: tells each file of the project that is loaded.
import { registerHooks } from "node:module";

registerHooks({
  load(url, context, next) {
    if (/\/(lib|services)\//.test(url) && !url.includes("node_modules")) process.stderr.write(`loaded: ${url}\n`);
    return next(url, context);
  },
});
