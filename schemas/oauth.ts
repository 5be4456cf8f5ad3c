import { z } from "zod";
import { type ActionContract, defineContract } from "../lib/contract.ts";
import { Instant } from "./common.ts";
import { type EndpointName, endpoints } from "./oauth-endpoints.ts";

/** Bytes of a request to the authorization server. */
export const OAUTH_BODY_BYTES_MAX = 57_344;

/** A request as the gateway hands it over: raw, so that the provider sees what was sent and parses it itself. */
export const EndpointRequest = z.strictObject({
  method: z.string().max(16),
  /** Without the question mark. */
  query: z.string().max(16_384),
  /** Those that a protocol endpoint has a use for. */
  headers: z.record(z.string().max(64), z.string().max(65_536)),
  body: z.string().max(OAUTH_BODY_BYTES_MAX),
  path: z.record(z.string().max(16), z.string().max(2048)),
  /** Address of the caller. */
  ip: z.string().max(64),
  /** The issuer as the gateway knows it, where none is configured. */
  issuer: z.url({ protocol: /^https?$/ }).max(512),
});
export type EndpointRequest = z.infer<typeof EndpointRequest>;

/** What the gateway writes, as it is: a protocol error is an answer like any other. */
export const EndpointAnswer = z.object({
  status: z.int().min(200).max(599),
  headers: z.record(z.string().max(128), z.union([z.string().max(65_536), z.array(z.string().max(65_536)).max(64)])),
  body: z.string().max(10_000_000),
});
export type EndpointAnswer = z.infer<typeof EndpointAnswer>;

interface EndpointContract extends ActionContract {
  params: typeof EndpointRequest;
  result: typeof EndpointAnswer;
}

// Cast: the names of the entries are the table's.
const endpointActions = Object.fromEntries(
  endpoints.map(([name, { summary }]) => [
    name,
    { summary, params: EndpointRequest, result: EndpointAnswer, endpoint: true },
  ]),
) as Record<EndpointName, EndpointContract>;

export const ClientId = z
  .string()
  .regex(/^[A-Za-z0-9._~-]{1,128}$/, "must be 1 to 128 characters of A-Z a-z 0-9 . _ ~ -")
  .meta({ id: "ClientId", example: "c_3q2yv0bT8m" });

const Scope = z
  .string()
  .max(2048)
  .regex(/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/, "must be scopes with one space between them");
const Url = z.string().min(1).max(2048);
const Name = z.string().min(1).max(128);

export const GRANT_TYPES = [
  "authorization_code",
  "refresh_token",
  "client_credentials",
  "urn:ietf:params:oauth:grant-type:device_code",
  "urn:ietf:params:oauth:grant-type:jwt-bearer",
  "urn:ietf:params:oauth:grant-type:token-exchange",
] as const;

export const AUTH_METHODS = [
  "client_secret_basic",
  "client_secret_post",
  "client_secret_jwt",
  "private_key_jwt",
  "none",
] as const;

const PublicJwk = z
  .record(z.string().max(32), z.union([z.string().max(4096), z.array(z.string().max(64)).max(8)]))
  .refine((jwk) => !("d" in jwk || "k" in jwk), "must be a public key");
const PublicJwks = z.strictObject({ keys: z.array(PublicJwk).min(1).max(10) });

/** What an administrator says of a client; names as in RFC 7591 section 2. */
const ClientMetadata = z.strictObject({
  client_name: Name.optional(),
  grant_types: z.array(z.enum(GRANT_TYPES)).min(1).max(GRANT_TYPES.length).default(["authorization_code"]),
  redirect_uris: z.array(Url).max(50).default([]),
  post_logout_redirect_uris: z.array(Url).max(50).optional(),
  token_endpoint_auth_method: z.enum(AUTH_METHODS).default("client_secret_basic"),
  application_type: z.enum(["web", "native"]).optional(),
  /** Scopes that it may have at most. */
  scope: Scope.default("openid offline_access email profile"),
  jwks: PublicJwks.optional(),
  jwks_uri: Url.optional(),
  backchannel_logout_uri: Url.optional(),
  backchannel_logout_session_required: z.boolean().optional(),
  dpop_bound_access_tokens: z.boolean().optional(),
  require_pushed_authorization_requests: z.boolean().optional(),
});
export type ClientMetadata = z.output<typeof ClientMetadata>;

/** A client as it is shown: never with its secret. */
export const OAuthClient = z
  .object({
    client_id: ClientId,
    client_id_issued_at: z.int(),
    ...ClientMetadata.shape,
    grant_types: z.array(z.string().max(128)).max(20),
    redirect_uris: z.array(Url).max(50),
    token_endpoint_auth_method: z.string().max(64),
  })
  .meta({ id: "OAuthClient" });
export type OAuthClient = z.infer<typeof OAuthClient>;

const IssuerName = z.string().min(1).max(512);

/** What one issuer of assertions (a factory, a partner, a fleet) may vouch for (RFC 7523). */
export const TrustedIssuer = z
  .object({
    /** `iss` of its assertions. */
    issuer: IssuerName,
    jwks: PublicJwks,
    algorithms: z
      .array(z.enum(["ES256", "EdDSA", "Ed25519", "RS256", "PS256"]))
      .min(1)
      .max(5),
    /** Scopes that a token by one of its assertions has at most. */
    scope: Scope,
    /** Subjects begin with this; what they are called is the issuer's to say. */
    subjectPrefix: z.string().min(1).max(128),
  })
  .meta({ id: "TrustedIssuer" });
export type TrustedIssuer = z.infer<typeof TrustedIssuer>;

/** An entry of the deny list: every access token that it names is refused. */
export const Revocation = z.object({
  /** By a token's own id, the tag of its grant, or its client. */
  kind: z.enum(["jti", "gid", "client"]),
  value: z.string().max(256),
  /** Until when, seconds since 1970; then the tokens have ended by themselves. */
  until: z.int(),
});
export type Revocation = z.infer<typeof Revocation>;

/** The authorization server (OAuth 2.0, OpenID Connect): issues tokens, keeps clients and consents. */
export const oauth = defineContract({
  name: "oauth",
  actions: {
    ...endpointActions,

    createClient: {
      summary: "Register a client; its secret, where it has one, is shown this once",
      params: ClientMetadata,
      result: OAuthClient.extend({ client_secret: z.string().max(256).optional() }),
      scope: "clients:write",
      rest: "POST /clients",
      status: 201,
      audited: true,
    },
    listClients: {
      summary: "List clients, the newest first",
      params: z.strictObject({}),
      result: z.object({ items: z.array(OAuthClient).max(1000) }),
      scope: "clients:read",
      rest: "GET /clients",
    },
    getClient: {
      summary: "Get a client",
      params: z.strictObject({ clientId: ClientId }),
      result: OAuthClient,
      scope: "clients:read",
      rest: "GET /clients/:clientId",
    },
    renewClientSecret: {
      summary: "Give a client another secret; the former one ends at once",
      params: z.strictObject({ clientId: ClientId }),
      result: z.object({ client_id: ClientId, client_secret: z.string().max(256) }),
      scope: "clients:write",
      rest: "POST /clients/:clientId/secret",
      status: 201,
      audited: true,
    },
    deleteClient: {
      summary: "Delete a client; its tokens end",
      params: z.strictObject({ clientId: ClientId }),
      result: z.void(),
      scope: "clients:write",
      rest: "DELETE /clients/:clientId",
      status: 204,
      audited: true,
    },

    createInitialAccessToken: {
      summary: "Allow registrations under RFC 7591; the token is shown this once",
      params: z.strictObject({
        /** What clients that are registered by it may have at most; without it nothing of the API. */
        scope: Scope.optional(),
        expiresInSeconds: z.int().min(60).max(31_536_000).default(86_400),
      }),
      result: z.object({ initialAccessToken: z.string().max(256), expiresAt: Instant }),
      scope: "clients:write",
      rest: "POST /initial-access-tokens",
      status: 201,
      audited: true,
    },

    putTrustedIssuer: {
      summary: "Trust an issuer of assertions (RFC 7523), or change what it may vouch for",
      params: z.strictObject(TrustedIssuer.shape),
      result: TrustedIssuer,
      scope: "clients:write",
      rest: "POST /trusted-issuers",
      audited: true,
    },
    listTrustedIssuers: {
      summary: "List trusted issuers",
      params: z.strictObject({}),
      result: z.object({ items: z.array(TrustedIssuer).max(1000) }),
      scope: "clients:read",
      rest: "GET /trusted-issuers",
    },
    deleteTrustedIssuer: {
      summary: "Trust an issuer no longer",
      params: z.strictObject({ issuer: IssuerName }),
      result: z.void(),
      scope: "clients:write",
      rest: "DELETE /trusted-issuers",
      status: 204,
      audited: true,
    },

    rotateKeys: {
      summary: "Publish the next signing keys now; they sign when every verifier has had time to see them",
      params: z.strictObject({}),
      result: z.object({
        /** When they begin to sign. */
        signsFrom: Instant,
      }),
      scope: "keys:write",
      rest: "POST /signing-keys:rotate",
      status: 202,
      audited: true,
    },

    /** For those who verify access tokens. Not on REST. */
    revocations: {
      summary: "The deny list of access tokens",
      params: z.strictObject({}),
      result: z.object({ items: z.array(Revocation).max(1_000_000) }),
    },
  },
});
