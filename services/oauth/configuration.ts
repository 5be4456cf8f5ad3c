import { randomBytes } from "node:crypto";
import { type AdapterFactory, type Configuration, errors, type FindAccount } from "oidc-provider";
import { AUTH_METHODS } from "../../schemas/oauth.ts";
import type { Actor } from "./access-tokens.ts";
import { makeSecret } from "./client-secret.ts";
import { interactionPolicy } from "./interaction-policy.ts";
import type { KeySet } from "./keys/signing-keys.ts";
import { devicePages, logoutPages, renderError } from "./pages/provider-pages.ts";
import { type InitialAccess, registrationPolicy } from "./registration-policy.ts";
import { tenantOfClient } from "./tenant.ts";

const DAY_SECONDS = 86_400;

/** Lives of what is issued, and limits, seconds. */
export interface Limits {
  accessTokenSeconds: number;
  refreshTokenSeconds: number;
  sessionSeconds: number;
  codeSeconds: number;
  deviceCodeSeconds: number;
  devicePollSeconds: number;
  refreshGraceSeconds: number;
}

export interface ConfigurationOptions {
  issuer: string;
  audience: string;
  /** Scopes of the REST interface. */
  scopes: readonly string[];
  limits: Limits;
  keys: KeySet;
  /** All nodes have the same: a node with its own breaks the logins and nonces of the others. */
  cookieKeys: string[];
  nonceSecret: Buffer;
  requireNonce: boolean;
  adapter: AdapterFactory;
  findAccount: FindAccount;
  initialAccess: InitialAccess;
  loadExistingGrant: NonNullable<Configuration["loadExistingGrant"]>;
  /** `act` of a token that is being issued. */
  actorOf: (token: object) => Actor | undefined;
}

export const IDENTITY_SCOPES = ["openid", "offline_access", "email", "profile"] as const;

/** Scope to the claims that it stands for (OpenID Connect Core section 5.4). */
const CLAIMS = { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] };

const SIGNATURES = ["ES256", "EdDSA", "Ed25519", "RS256"] as const;

/** Paths below the issuer, those of schemas/oauth-endpoints.ts. */
const routes = {
  authorization: "/oauth/auth",
  code_verification: "/oauth/device",
  device_authorization: "/oauth/device/auth",
  end_session: "/oauth/session/end",
  introspection: "/oauth/token/introspection",
  jwks: "/oauth/jwks",
  pushed_authorization_request: "/oauth/request",
  registration: "/oauth/reg",
  revocation: "/oauth/token/revocation",
  token: "/oauth/token",
  userinfo: "/oauth/me",
};

/** Everything that oidc-provider is told. */
export function configuration(options: ConfigurationOptions): Configuration {
  const { adapter, findAccount, keys, scopes, limits, cookieKeys, actorOf } = options;
  const cookie = { signed: true, httpOnly: true, sameSite: "lax" } as const;
  return {
    adapter,
    findAccount,
    routes,
    jwks: keys,
    claims: CLAIMS,
    scopes: [...IDENTITY_SCOPES, ...scopes],
    cookies: { keys: cookieKeys, short: cookie, long: cookie },

    // The library's default is RS256.
    clientDefaults: { id_token_signed_response_alg: "ES256" },
    clientAuthMethods: [...AUTH_METHODS],
    enabledJWA: {
      idTokenSigningAlgValues: [...SIGNATURES],
      clientAuthSigningAlgValues: ["HS256", ...SIGNATURES, "PS256"],
      requestObjectSigningAlgValues: [...SIGNATURES],
      dPoPSigningAlgValues: ["ES256", "EdDSA", "Ed25519"],
    },
    extraClientMetadata: { properties: ["tenant"] },

    responseTypes: ["code"],
    // RFC 9700 section 2.1.1; S256 is the only method that the library knows.
    pkce: { required: () => true },
    // A browser's client may call from where it may be redirected to; `https:` only, or `null` would match a custom scheme.
    clientBasedCORS: (_ctx, origin, client) =>
      client.redirectUris?.some((uri) => uri.startsWith("https:") && new URL(uri).origin === origin) ?? false,
    conformIdTokenClaims: true,
    issueRefreshToken: async (_ctx, client, code) =>
      client.grantTypeAllowed("refresh_token") && code.scopes.has("offline_access"),
    // RFC 9700 section 2.2.2: rotated, or bound to a key. One that is bound stays: nothing is lost on a bad link.
    rotateRefreshToken: (ctx) => !ctx.oidc.entities.RefreshToken?.isSenderConstrained(),
    expiresWithSession: async () => false,
    loadExistingGrant: options.loadExistingGrant,
    extraTokenClaims: async (_ctx, token) => {
      const act = actorOf(token);
      return {
        tenant: token.client && tenantOfClient(token.client),
        ...("grantId" in token && token.grantId && { gid: token.grantId }),
        ...(act && { act }),
      };
    },
    ttl: {
      AccessToken: limits.accessTokenSeconds,
      ClientCredentials: limits.accessTokenSeconds,
      AuthorizationCode: limits.codeSeconds,
      DeviceCode: limits.deviceCodeSeconds,
      IdToken: limits.accessTokenSeconds,
      Interaction: 3600,
      RefreshToken: limits.refreshTokenSeconds,
      Grant: Math.max(limits.refreshTokenSeconds, limits.sessionSeconds),
      Session: limits.sessionSeconds,
      RegistrationAccessToken: 3650 * DAY_SECONDS,
    },

    interactions: {
      policy: interactionPolicy(),
      url: (_ctx, interaction) => `/oauth/interaction/${interaction.uid}`,
    },
    renderError,
    // RFC 8414 section 2: without these a client has to guess.
    discovery: {
      introspection_endpoint_auth_methods_supported: AUTH_METHODS.filter((method) => method !== "none"),
      revocation_endpoint_auth_methods_supported: [...AUTH_METHODS],
    },
    features: features(options),
  };
}

function features(options: ConfigurationOptions): NonNullable<Configuration["features"]> {
  const { audience, scopes, limits, nonceSecret, requireNonce, initialAccess } = options;
  return {
    devInteractions: { enabled: false },
    userinfo: { enabled: true },
    clientCredentials: { enabled: true },
    introspection: {
      enabled: true,
      allowedPolicy: async (_ctx, client, token) =>
        token.clientId === client.clientId ||
        (client.clientAuthMethod !== "none" &&
          token.client !== undefined &&
          tenantOfClient(token.client) === tenantOfClient(client)),
    },
    revocation: { enabled: true, allowedPolicy: async (_ctx, client, token) => token.clientId === client.clientId },
    registration: {
      enabled: true,
      // RFC 7591 section 3: tokens that an administrator makes, one for each batch or partner.
      initialAccessToken: true,
      issueRegistrationAccessToken: true,
      idFactory: () => `c_${randomBytes(12).toString("base64url")}`,
      secretFactory: makeSecret,
      policies: registrationPolicy(initialAccess),
    },
    registrationManagement: { enabled: true, rotateRegistrationAccessToken: true },
    pushedAuthorizationRequests: {
      enabled: true,
      requirePushedAuthorizationRequests: false,
      allowUnregisteredRedirectUris: false,
    },
    dPoP: { enabled: true, nonceSecret, requireNonce: () => requireNonce, allowReplay: false },
    deviceFlow: {
      enabled: true,
      charset: "base-20",
      mask: "****-****",
      deviceInfo: (ctx) => ({ ip: ctx.ip, ua: ctx.get("user-agent") }),
      ...devicePages,
    },
    rpInitiatedLogout: { enabled: true, ...logoutPages },
    backchannelLogout: { enabled: true },
    requestObjects: { enabled: true },
    resourceIndicators: {
      enabled: true,
      // Who never heard of RFC 8707 is given the REST interface, and by that a JWT.
      defaultResource: async (_ctx, _client, oneOf) => (Array.isArray(oneOf) ? (oneOf[0] ?? audience) : audience),
      useGrantedResource: async () => true,
      getResourceServerInfo: async (_ctx, resource) => {
        if (resource !== audience) throw new errors.InvalidTarget();
        return {
          audience,
          // Those of identity as well: one token serves the interface and userinfo.
          scope: ["openid", "email", "profile", ...scopes].join(" "),
          accessTokenFormat: "jwt",
          accessTokenTTL: limits.accessTokenSeconds,
          jwt: { sign: { alg: "ES256" } },
        };
      },
    },
  };
}
