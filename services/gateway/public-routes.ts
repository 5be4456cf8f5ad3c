/**
 * Routes that ask for no token, all of them: whatever has no scope and does not stand here is not served. Health is for
 * orchestrators, which have no token; the API document says how to get one. Neither tells anything of a tenant.
 */
export const PUBLIC_ROUTES: readonly string[] = ["GET /", "GET /health/live", "GET /health/ready", "GET /openapi.json"];
