import { z } from "zod";

const name = z.string().min(1).max(512);

/**
 * Which access tokens have ended: those that have all of the claims that are named, and were issued by `before`.
 * At least one claim is named.
 */
export const Revocation = z
  .object({
    jti: name.optional(),
    /** All tokens of one grant: of a login, or of a device. */
    gid: name.optional(),
    sub: name.optional(),
    client_id: name.optional(),
    tenant: name.optional(),
    /** Seconds since 1970: tokens whose `iat` is later are not meant. Left out: all. */
    before: z.number().optional(),
    /** Seconds since 1970: when the last of these tokens has expired. */
    until: z.number(),
  })
  .refine(
    ({ jti, gid, sub, client_id, tenant }) => [jti, gid, sub, client_id, tenant].some((claim) => claim !== undefined),
    "must name a claim",
  )
  .meta({ id: "Revocation" });
export type Revocation = z.output<typeof Revocation>;

const CLAIMS = { jti: "jti", gid: "gid", client: "client_id" } as const;

/** The same as an entry of a list that knows one claim each. */
const RevocationEntry = z
  .object({ kind: z.enum(["jti", "gid", "client"]), value: name, until: z.number() })
  .transform(({ kind, value, until }): Revocation => ({ [CLAIMS[kind]]: value, until }));

/** As an issuer may tell it. */
export const ToldRevocation = z.union([RevocationEntry, Revocation]);
