import type { AdapterFactory, Provider } from "oidc-provider";
import { audienceOf } from "../../lib/issuer.ts";
import { AccessTokens, type Actor } from "./access-tokens.ts";
import type { Accounts } from "./accounts/accounts.ts";
import { configuration, type Limits } from "./configuration.ts";
import { atomicReplayDetection } from "./extensions/atomic-replay.ts";
import { announceInterval } from "./extensions/device-interval.ts";
import { hashedSecrets } from "./extensions/hashed-secrets.ts";
import { jwtAccessTokens } from "./extensions/jwt-access-tokens.ts";
import { tellUnavailable } from "./extensions/unavailable.ts";
import { DEVICE_CODE, slowDown } from "./grants/device-code.ts";
import { installJwtBearer } from "./grants/jwt-bearer.ts";
import { oneAtATime } from "./grants/one-at-a-time.ts";
import { refreshGrace } from "./grants/refresh-token.ts";
import { installTokenExchange } from "./grants/token-exchange.ts";
import { type InjectRequest, type InjectResponse, injector } from "./inject.ts";
import { deriveKey } from "./keys/seal.ts";
import type { KeySet } from "./keys/signing-keys.ts";
import { InitialAccess } from "./registration-policy.ts";
import { rememberedConsent } from "./remembered-consent.ts";
import type { Clients } from "./storage/clients.ts";
import { RecordAdapter } from "./storage/record-adapter.ts";
import type { Stores } from "./storage/stores.ts";
import { tenantOfClient } from "./tenant.ts";
import { createProvider } from "./wrap-grants.ts";

export interface AuthorizationServerOptions {
  issuer: string;
  keys: KeySet;
  /** 32 bytes that all nodes share. */
  masterKey: Buffer;
  scopes: readonly string[];
  limits: Limits;
  requireNonce: boolean;
  stores: Stores;
  clients: Clients;
  accounts: Accounts;
  /** Told of what the provider itself did wrong. */
  failed: (error: Error) => void;
}

/** One issuer with one set of keys. To change either, the next one is built and takes its place: 2 ms. */
export interface AuthorizationServer {
  issuer: string;
  provider: Provider;
  tokens: AccessTokens;
  initialAccess: InitialAccess;
  inject(request: InjectRequest): Promise<InjectResponse>;
}

/** Routes on which a user may be asked to sign in. */
const INTERACTIVE = /^(authorization|resume|device_resume|code_verification|end_session)/;

/** oidc-provider with what it leaves out. */
export function createAuthorizationServer(options: AuthorizationServerOptions): AuthorizationServer {
  const { issuer, keys, masterKey, scopes, limits, requireNonce, stores, clients, accounts, failed } = options;
  const { state, revocations } = stores;
  const audience = audienceOf(issuer);
  const actors = new WeakMap<object, Actor>();
  const initialAccess = new InitialAccess(state);
  const adapter: AdapterFactory = (kind) => (kind === "Client" ? clients : new RecordAdapter(stores.records, kind));
  const waiting = slowDown({
    state,
    intervalSeconds: limits.devicePollSeconds,
    codeSeconds: limits.deviceCodeSeconds,
  });
  const provider = createProvider(
    issuer,
    configuration({
      ...{ issuer, audience, scopes, limits, keys, requireNonce, adapter, initialAccess },
      cookieKeys: [deriveKey(masterKey, "cookies").toString("base64url")],
      nonceSecret: deriveKey(masterKey, "dpop-nonces"),
      loadExistingGrant: rememberedConsent(stores.records),
      actorOf: (token) => actors.get(token),
      async findAccount({ oidc: { client, route } }, sub) {
        const account = await accounts.find(sub);
        if (!account) return undefined;
        const { tenants, ...claims } = account;
        // Who is no member any more is given nothing; in a browser, who it is may be changed.
        if (client && !INTERACTIVE.test(route) && !tenants.includes(tenantOfClient(client))) return undefined;
        return { accountId: sub, tenants, claims: async () => ({ ...claims }) };
      },
    }),
    {
      authorization_code: oneAtATime(state, "code"),
      [DEVICE_CODE]: (handler, of) => waiting(oneAtATime(state, "device_code")(handler, of), of),
      refresh_token: refreshGrace({
        state,
        tokens: new RecordAdapter(stores.records, "RefreshToken"),
        graceSeconds: limits.refreshGraceSeconds,
      }),
    },
  );
  // X-Forwarded-… are set by the endpoints' actions, never by a caller.
  provider.proxy = true;
  tellUnavailable(provider, failed);

  const tokens = new AccessTokens({ issuer, audience, keys, revocations, seconds: limits.accessTokenSeconds });
  installJwtBearer(provider, { issuers: stores.trustedIssuers, accounts });
  installTokenExchange(provider, { tokens, audience, actAs: (token, act) => actors.set(token, act) });
  atomicReplayDetection(provider, state);
  announceInterval(provider, limits.devicePollSeconds);
  hashedSecrets(provider);
  jwtAccessTokens(provider, tokens);
  return { issuer, provider, tokens, initialAccess, inject: injector(provider.callback()) };
}
