import assert from "node:assert/strict";
import { test } from "node:test";
import { TokenRefusedError } from "../../../../lib/tokens/refusals.ts";
import { challengesOf } from "../../../../lib/tokens/www-authenticate.ts";

const ALGS = 'algs="ES256 EdDSA Ed25519"';

for (const [what, refusal, status, expected] of [
  [
    "no credentials: both schemes, no code (RFC 6750 §3.1)",
    new TokenRefusedError(undefined, "x"),
    401,
    ['Bearer scope="devices:read"', `DPoP scope="devices:read", ${ALGS}`],
  ],
  [
    "a bad bearer token",
    new TokenRefusedError("invalid_token", "x", "bearer"),
    401,
    ['Bearer error="invalid_token"', `DPoP ${ALGS}`],
  ],
  [
    "a bad bound token",
    new TokenRefusedError("invalid_token", "x", "dpop"),
    401,
    [`DPoP error="invalid_token", ${ALGS}`],
  ],
  [
    "a bad proof (RFC 9449 §7.1)",
    new TokenRefusedError("invalid_dpop_proof", "x", "dpop"),
    401,
    [`DPoP error="invalid_dpop_proof", ${ALGS}`],
  ],
  [
    "a nonce is needed (RFC 9449 §9)",
    new TokenRefusedError("use_dpop_nonce", "x", "dpop"),
    401,
    [`DPoP error="use_dpop_nonce", ${ALGS}`],
  ],
  [
    "a scope is missing (RFC 6750 §3.1)",
    new TokenRefusedError("insufficient_scope", "x", "bearer"),
    403,
    ['Bearer error="insufficient_scope", scope="devices:read"', `DPoP ${ALGS}`],
  ],
  [
    "malformed credentials",
    new TokenRefusedError("invalid_request", "x", "bearer"),
    400,
    ['Bearer error="invalid_request"', `DPoP ${ALGS}`],
  ],
] as const)
  test(what, () => {
    assert.equal(refusal.code, status);
    assert.deepEqual(challengesOf(refusal, "devices:read"), expected);
  });
