import { errors, type Provider, type TokenEndpointGrantContext } from "oidc-provider";
// Typed, but outside the library's promise of stable versions: the exact version is pinned.
import { checkDpopReplay, findAccount, validateDpop, validateGrant } from "oidc-provider/lib/helpers/grants.js";
import { digest, epochSeconds } from "../digest.ts";
import { deriveKey, seal, unseal } from "../keys/seal.ts";
import type { RecordAdapter } from "../storage/record-adapter.ts";
import type { SharedState } from "../storage/shared-state.ts";
import type { GrantWrapper } from "../wrap-grants.ts";

/** What a refresh was answered, so that the same request may be answered so again. */
interface Answered {
  clientId: string;
  jkt: string | null;
  request: string;
  issuedAt: number;
  /** The answer, sealed by a key of the token that was presented: of that the store has the digest only. */
  sealed: string;
}

interface TokenAnswer {
  refresh_token?: string;
  expires_in?: number;
}

export interface RefreshGraceOptions {
  state: SharedState;
  /** The storage of refresh tokens. */
  tokens: Pick<RecordAdapter, "release">;
  /** For how long an answer may be asked for again. */
  graceSeconds: number;
  /** How long one refresh may take. */
  lockSeconds?: number;
}

const sealKey = (token: string) => deriveKey(token, "refresh-answer");
const requestOf = ({ oidc: { params } }: TokenEndpointGrantContext) =>
  digest(JSON.stringify([params["scope"] ?? null, params["resource"] ?? null]));

/**
 * Rotation that survives a lost answer. RFC 9700 section 4.14.2 asks that a refresh token which is seen twice ends its
 * family; a client on a bad link repeats its last request, and would be logged out. Within the grace the same client,
 * with the same key and the same parameters, is given the same single successor again, as long as nobody has used that.
 * Requests with one token at once wait for each other. Everything else is the library's, which ends the family.
 */
export const refreshGrace =
  ({ state, tokens, graceSeconds, lockSeconds = 10 }: RefreshGraceOptions): GrantWrapper =>
  (handler, provider) =>
  async (ctx) => {
    const token = ctx.oidc.params["refresh_token"];
    if (typeof token !== "string" || !token) return handler(ctx);
    const id = digest(token);
    const busy = () => new errors.TemporarilyUnavailable("another refresh with this token is in progress");
    await state.exclusively(`refresh-lock:${id}`, lockSeconds, busy, async () => {
      const answered = await state.get<Answered>(`refresh-answer:${id}`);
      const again = answered && (await repeated(provider, ctx, token, answered, graceSeconds));
      if (again) {
        ctx.body = again;
        return;
      }
      // Used a moment ago, and nobody was answered: the process died in between.
      if (!answered) await tokens.release(token, epochSeconds() - graceSeconds + 1);
      await handler(ctx);
      const answer = ctx.body as TokenAnswer;
      // Not rotated: the token itself is what is tried again.
      if (answer.refresh_token === token) return;
      const dPoP = await validateDpop(provider, ctx);
      await state.set(
        `refresh-answer:${id}`,
        {
          clientId: ctx.oidc.client.clientId,
          jkt: dPoP?.thumbprint ?? null,
          request: requestOf(ctx),
          issuedAt: epochSeconds(),
          sealed: seal(sealKey(token), id, JSON.stringify(answer)),
        } satisfies Answered,
        // Longer than it is of use: that there is none has to mean that nobody was answered, whatever the nodes' clocks say.
        graceSeconds * 2,
      );
    });
  };

/** The former answer, where this is the same request again; undefined where it is reuse. */
async function repeated(
  provider: Provider,
  ctx: TokenEndpointGrantContext,
  token: string,
  { clientId, jkt, request, issuedAt, sealed }: Answered,
  graceSeconds: number,
): Promise<TokenAnswer | undefined> {
  if (issuedAt + graceSeconds < epochSeconds()) return undefined;
  if (clientId !== ctx.oidc.client.clientId || request !== requestOf(ctx)) return undefined;
  const dPoP = await validateDpop(provider, ctx);
  if ((dPoP?.thumbprint ?? null) !== jkt) return undefined;
  const answer = JSON.parse(unseal(sealKey(token), digest(token), sealed)) as TokenAnswer;
  const successor = await provider.RefreshToken.find(answer.refresh_token ?? "");
  if (!successor?.grantId || successor.consumed) return undefined;
  await validateGrant(provider, ctx, successor.grantId);
  if (!(await findAccount(provider, ctx, successor.accountId, successor))) return undefined;
  // Last: a proof counts as used only where it is answered, or the library would see a replay.
  await checkDpopReplay(provider, ctx, dPoP, clientId);
  return { ...answer, expires_in: Math.max(1, (answer.expires_in ?? 0) - (epochSeconds() - issuedAt)) };
}
