/** A protocol endpoint: the routes that lead to it, and its path inside the provider. */
interface Endpoint {
  /** What it is, in a line. */
  summary: string;
  /** Routes of the gateway, at its root. */
  routes: readonly string[];
  /** Programs of other origins may call it; whether they may read the answer, the client's registration decides. */
  crossOrigin?: boolean;
}

/**
 * Every endpoint of the authorization server, by the name of its action. The gateway hands requests over raw, none of
 * them needs a token of the platform: each endpoint authenticates by its own rules.
 */
export const OAUTH_ENDPOINTS = {
  discovery: {
    summary: "Metadata (OpenID Connect Discovery 1.0)",
    routes: ["GET /.well-known/openid-configuration"],
    crossOrigin: true,
  },
  metadata: {
    summary: "Metadata (RFC 8414)",
    routes: ["GET /.well-known/oauth-authorization-server"],
    crossOrigin: true,
  },
  jwks: { summary: "Public keys (RFC 7517)", routes: ["GET /oauth/jwks"], crossOrigin: true },
  authorize: { summary: "Authorization (RFC 6749 section 3.1)", routes: ["GET /oauth/auth", "POST /oauth/auth"] },
  resume: { summary: "Authorization, after login or consent", routes: ["GET /oauth/auth/:uid"] },
  token: { summary: "Token (RFC 6749 section 3.2)", routes: ["POST /oauth/token"], crossOrigin: true },
  par: { summary: "Pushed authorization request (RFC 9126)", routes: ["POST /oauth/request"], crossOrigin: true },
  deviceAuthorization: {
    summary: "Device authorization (RFC 8628 section 3.1)",
    routes: ["POST /oauth/device/auth"],
    crossOrigin: true,
  },
  device: {
    summary: "Page on which the user enters a device's code (RFC 8628 section 3.3)",
    routes: ["GET /oauth/device", "POST /oauth/device"],
  },
  deviceResume: { summary: "Device code, after login or consent", routes: ["GET /oauth/device/:uid"] },
  userinfo: {
    summary: "Claims of the user (OpenID Connect Core section 5.3)",
    routes: ["GET /oauth/me", "POST /oauth/me"],
    crossOrigin: true,
  },
  introspect: {
    summary: "Introspection (RFC 7662)",
    routes: ["POST /oauth/token/introspection"],
    crossOrigin: true,
  },
  revoke: { summary: "Revocation (RFC 7009)", routes: ["POST /oauth/token/revocation"], crossOrigin: true },
  register: { summary: "Registration of a client (RFC 7591)", routes: ["POST /oauth/reg"], crossOrigin: true },
  client: {
    summary: "A registered client, by itself (RFC 7592)",
    routes: ["GET /oauth/reg/:clientId", "PUT /oauth/reg/:clientId", "DELETE /oauth/reg/:clientId"],
    crossOrigin: true,
  },
  endSession: {
    summary: "Logout (OpenID Connect RP-Initiated Logout 1.0)",
    routes: ["GET /oauth/session/end", "POST /oauth/session/end"],
  },
  endSessionConfirm: { summary: "Logout, confirmed", routes: ["POST /oauth/session/end/confirm"] },
  endSessionSuccess: { summary: "Page after a logout", routes: ["GET /oauth/session/end/success"] },
  interaction: { summary: "Page of login or consent", routes: ["GET /oauth/interaction/:uid"] },
  login: { summary: "Login", routes: ["POST /oauth/interaction/:uid/login"] },
  consent: { summary: "Consent given", routes: ["POST /oauth/interaction/:uid/confirm"] },
  invitation: {
    summary: "Page on which an invitation is accepted",
    routes: ["GET /oauth/invitation", "POST /oauth/invitation"],
  },
  passwordReset: {
    summary: "Page on which a password is set anew",
    routes: ["GET /oauth/password-reset", "POST /oauth/password-reset"],
  },
  forgotten: {
    summary: "Page on which a link is asked for by which a password is set anew",
    routes: ["GET /oauth/forgotten", "POST /oauth/forgotten"],
  },
  abort: { summary: "Login or consent declined", routes: ["POST /oauth/interaction/:uid/abort"] },
} as const satisfies Record<string, Endpoint>;

export type EndpointName = keyof typeof OAUTH_ENDPOINTS;

export const endpoints = Object.entries(OAUTH_ENDPOINTS) as [EndpointName, Endpoint][];
