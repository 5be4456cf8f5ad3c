// Loaded before the platform, by `npm start`: JavaScript, because it decides how TypeScript is loaded. What was stripped
// and compiled once is kept, which saves a third of the start and the memory of the stripper.
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/ganglion", import.meta.url)));
