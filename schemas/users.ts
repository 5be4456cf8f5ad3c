import { z } from "zod";
import { defineContract } from "../lib/contract.ts";
import { Cursor, Instant, pageLimit, pageOf, TenantId } from "./common.ts";

const Name = z.string().trim().min(1).max(200);
/** Compared without regard to case. */
const Email = z
  .email("must be an e-mail address")
  .max(254)
  .transform((email) => email.toLowerCase());
const UserId = z.uuid("must be the id of a user");
/** NIST SP 800-63B section 3.1.1.2: length is what counts, and nothing is demanded of its characters. */
const Password = z.string().min(12, "must have at least 12 characters").max(1024);
const Token = z.string().regex(/^[A-Za-z0-9_-]{43}$/, "must be the token of a link");
const Role = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, "must be 1 to 63 characters of a-z 0-9 -");
const Roles = z.array(Role).min(1).max(20);
const Status = z.enum(["active", "suspended"]);

/** A user as a member of the caller's tenant. */
export const User = z
  .object({
    id: UserId,
    email: z.string(),
    name: z.string().optional(),
    roles: z.array(z.string()),
    status: Status,
    createdAt: Instant,
  })
  .meta({ id: "User" });
export type User = z.infer<typeof User>;

export const Invitation = z
  .object({
    id: z.string(),
    email: z.string(),
    roles: z.array(z.string()),
    createdAt: Instant,
    expiresAt: Instant,
  })
  .meta({ id: "Invitation" });
export type Invitation = z.infer<typeof Invitation>;

export const Tenant = z
  .object({ id: TenantId, name: z.string().optional(), status: Status, createdAt: Instant })
  .meta({ id: "Tenant" });
export type Tenant = z.infer<typeof Tenant>;

/** Who somebody is, for the provider of tokens; of suspended memberships and tenants nothing is in it. */
export const Account = z.object({
  userId: UserId,
  email: z.string(),
  name: z.string().optional(),
  memberships: z.array(z.object({ tenantId: TenantId, roles: z.array(z.string()) })),
});
export type Account = z.infer<typeof Account>;

const page = { cursor: Cursor.optional(), limit: pageLimit() };

export const users = defineContract({
  name: "users",
  actions: {
    list: {
      summary: "Users of the tenant, by e-mail address",
      params: z.strictObject(page),
      result: pageOf(User),
      scope: "users:read",
      rest: "GET /users",
    },
    get: {
      summary: "Get a user",
      params: z.strictObject({ userId: UserId }),
      result: User,
      scope: "users:read",
      rest: "GET /users/:userId",
    },
    update: {
      summary: "Change a user's roles in the tenant, or suspend the user there",
      params: z.strictObject({ userId: UserId, roles: Roles.optional(), status: Status.optional() }),
      result: User,
      scope: "users:write",
      rest: "PATCH /users/:userId",
      audited: true,
    },
    remove: {
      summary: "Take a user out of the tenant; who is in no other is deleted",
      params: z.strictObject({ userId: UserId }),
      result: z.void(),
      scope: "users:write",
      rest: "DELETE /users/:userId",
      status: 204,
      audited: true,
    },
    invite: {
      summary: "Invite somebody by e-mail; who has an account already gets into the tenant by it",
      params: z.strictObject({ email: Email, roles: Roles }),
      result: Invitation,
      scope: "users:write",
      rest: "POST /invitations",
      status: 201,
      audited: true,
    },
    listInvitations: {
      summary: "Invitations that were not accepted yet",
      params: z.strictObject(page),
      result: pageOf(Invitation),
      scope: "users:read",
      rest: "GET /invitations",
    },
    revokeInvitation: {
      summary: "Take an invitation back",
      params: z.strictObject({ invitationId: z.string().max(64) }),
      result: z.void(),
      scope: "users:write",
      rest: "DELETE /invitations/:invitationId",
      status: 204,
      audited: true,
    },
    createTenant: {
      summary: "Make a tenant, and invite its first administrator",
      params: z.strictObject({ id: TenantId, name: Name.optional(), admin: Email }),
      result: Tenant,
      scope: "tenants:write",
      rest: "POST /tenants",
      status: 201,
      audited: true,
    },
    listTenants: {
      summary: "Tenants by id",
      params: z.strictObject(page),
      result: pageOf(Tenant),
      scope: "tenants:read",
      rest: "GET /tenants",
    },
    updateTenant: {
      summary: "Rename a tenant, or suspend it: nobody gets a token for it then",
      params: z.strictObject({ tenantId: TenantId, name: Name.optional(), status: Status.optional() }),
      result: Tenant,
      scope: "tenants:write",
      rest: "PATCH /tenants/:tenantId",
      audited: true,
    },
    /** The rest is for the provider of tokens and its pages. Not on REST. */
    acceptInvitation: {
      summary: "Become a member of the tenant of an invitation",
      params: z.strictObject({ token: Token, name: Name.optional(), password: Password }),
      result: Account,
    },
    requestPasswordReset: {
      summary: "Send a link by which the password is set anew; of unknown addresses nothing is told",
      params: z.strictObject({ email: Email, address: z.string().max(64).optional() }),
      result: z.void(),
    },
    resetPassword: {
      summary: "Set the password by the token of a link",
      params: z.strictObject({ token: Token, password: Password }),
      result: Account,
    },
    authenticate: {
      summary: "Who has this e-mail address and password",
      params: z.strictObject({
        email: z.string().max(254),
        password: z.string().max(1024),
        address: z.string().max(64).optional(),
      }),
      result: Account,
    },
    account: {
      summary: "An account by the user's id; null where it is gone",
      params: z.strictObject({ userId: z.string().max(64) }),
      result: Account.nullable(),
    },
  },
});
