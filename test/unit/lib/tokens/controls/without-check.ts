// A build broken on purpose, loaded before the test: without the check that TOKEN_CONTROL names.
import { registerHooks } from "node:module";

const CHECKS: Record<string, { file: string; check: string; without: string }> = {
  ath: {
    file: "/lib/tokens/dpop-proof.ts",
    check: "if (claims.ath !== ath)",
    without: "if (false)",
  },
  key: {
    file: "/lib/tokens/dpop-proof.ts",
    check: "if (key.jkt !== jkt)",
    without: "if (false)",
  },
  jti: {
    file: "/lib/tokens/token-verifier.ts",
    check: 'if (!(typeof first === "boolean" ? first : await first))',
    without: "if (false)",
  },
};

const control = CHECKS[String(process.env["TOKEN_CONTROL"])];
if (!control) throw new Error("TOKEN_CONTROL names no check");
registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    if (!url.endsWith(control.file)) return loaded;
    const source = String(loaded.source);
    if (!source.includes(control.check)) throw new Error(`${control.file} has no ${control.check}`);
    return { ...loaded, source: source.replace(control.check, control.without) };
  },
});
