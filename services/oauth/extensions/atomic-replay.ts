import type { Provider } from "oidc-provider";
import { digest, epochSeconds } from "../digest.ts";
import type { SharedState } from "../storage/shared-state.ts";

/**
 * The library looks a proof up and writes it then, so that two requests may both find nothing: here one insert decides.
 * Its record would also live for 300 seconds, while a proof that is dated 300 seconds ahead is taken for 600.
 */
export function atomicReplayDetection(provider: Provider, state: SharedState): void {
  provider.ReplayDetection.unique = (issuer, jti, expires) =>
    state.add(`replay:${digest(JSON.stringify([issuer, jti]))}`, 1, Math.max(1, expires - epochSeconds()) * 2);
}
