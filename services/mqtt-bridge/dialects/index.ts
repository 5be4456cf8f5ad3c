import type { Dialect } from "./dialect.ts";
import { native } from "./native/native.ts";

/** Every dialect this edge speaks; a CONNECT belongs to the first that recognises it. */
export const dialects: readonly Dialect[] = [native];
