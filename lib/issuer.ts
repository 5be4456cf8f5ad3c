/**
 * The issuer where none is configured: this machine, by the name that browsers take for secure and passkeys accept.
 *
 * @param port of the gateway's HTTP listener
 */
export const localIssuer = (port: number): string => `http://localhost:${port}`;

/** `aud` of the access tokens for the REST interface (RFC 9068 section 2.2). */
export const audienceOf = (issuer: string): string => `${issuer}/v1`;
