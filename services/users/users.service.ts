import { cursorOf, placeOf } from "../../lib/cursor.ts";
import { tenantOf as callersTenant, DEFAULT_TENANT } from "../../lib/meta.ts";
import { defineService, type TypedBroker } from "../../lib/service.ts";
import { type DocumentStoreSettings, documentStore } from "../../mixins/document-store.mixin.ts";
import { TenantId } from "../../schemas/common.ts";
import { type Invitation, users } from "../../schemas/users.ts";
import { type AttemptLimits, Attempts } from "./attempts.ts";
import {
  InvitationNotFoundError,
  LinkExpiredError,
  LoginRefusedError,
  TenantExistsError,
  TenantNotFoundError,
  UserNotFoundError,
} from "./errors.ts";
import { type LinkDocument, linkModel } from "./link.model.ts";
import { Links } from "./links.ts";
import { invitationMail, resetMail } from "./mails.ts";
import { hashPassword, isPassword } from "./password.ts";
import { tenantModel, tenantOf } from "./tenant.model.ts";
import { type UserDocument, userModel, userOf } from "./user.model.ts";
import { Users } from "./users.ts";

interface Settings extends Partial<DocumentStoreSettings> {
  /** Where people come to: links begin with it. */
  issuer: string;
  invitationSeconds: number;
  resetSeconds: number;
  attempts: AttemptLimits;
}

const NOWHERE = "unknown";
const DUPLICATE_KEY = 11_000;

/** Tenants, users, and how users come in. */
export default defineService(users, {
  mixins: [documentStore],
  settings: {
    issuer: "http://127.0.0.1:3000",
    invitationSeconds: 7 * 86_400,
    resetSeconds: 3600,
    attempts: { pairMax: 10, accountMax: 100, addressMax: 100, windowSeconds: 900 },
  } as Settings,
  state: () => ({
    users: undefined as unknown as Users,
    links: undefined as unknown as Links,
    tenants: undefined as unknown as ReturnType<typeof tenantModel>,
    attempts: undefined as unknown as Attempts,
  }),

  async started() {
    this.tenants = tenantModel(this.documents);
    const [model, links] = [userModel(this.documents), linkModel(this.documents)];
    await Promise.all([this.tenants.init(), model.init(), links.init()]);
    this.users = new Users(model, this.tenants);
    this.links = new Links(links);
    this.attempts = new Attempts(this.settings.attempts);
    const first = { status: "active", createdAt: new Date() } as const;
    await this.tenants.updateOne({ _id: DEFAULT_TENANT }, { $setOnInsert: first }, { upsert: true });
  },

  actions: {
    async list(ctx) {
      const tenantId = callersTenant(ctx);
      const { cursor, limit } = ctx.params;
      const list = ["users", tenantId];
      const after = cursor === undefined ? undefined : placeOf(cursor, list);
      const found = await this.users.model
        .find({ "memberships.tenantId": tenantId, ...(after === undefined ? {} : { email: { $gt: String(after) } }) })
        .sort({ email: 1 })
        .limit(limit + 1)
        .lean<UserDocument[]>();
      const last = found[limit - 1];
      return {
        items: found.slice(0, limit).flatMap((user) => userOf(user, tenantId) ?? []),
        ...(found.length > limit && last ? { nextCursor: cursorOf(last.email, list) } : {}),
      };
    },

    async get(ctx) {
      const tenantId = callersTenant(ctx);
      return member(await this.users.member(tenantId, ctx.params.userId), tenantId);
    },

    async update(ctx) {
      const tenantId = callersTenant(ctx);
      const { userId, roles, status } = ctx.params;
      const change = { ...(roles === undefined ? {} : { roles }), ...(status === undefined ? {} : { status }) };
      const user = await this.users.change(tenantId, userId, change);
      await this.broker.broadcast("user.access-changed", { tenantId, userId });
      return member(user, tenantId);
    },

    async remove(ctx) {
      const tenantId = callersTenant(ctx);
      const { userId } = ctx.params;
      await this.users.remove(tenantId, userId);
      await this.broker.broadcast("user.access-changed", { tenantId, userId });
    },

    async invite(ctx) {
      const { email, roles } = ctx.params;
      const tenantId = callersTenant(ctx);
      const { invitationSeconds, issuer } = this.settings;
      const { token, link } = await this.links.issue({ kind: "invitation", email, tenantId, roles }, invitationSeconds);
      await sendMail(this.broker, invitationMail({ email, tenantId, issuer, token }), invitationSeconds);
      ctx.meta.$location = `/v1/invitations/${link._id}`;
      return invitationOf(link);
    },

    async listInvitations(ctx) {
      const tenantId = callersTenant(ctx);
      const { cursor, limit } = ctx.params;
      const list = ["invitations", tenantId];
      const after = cursor === undefined ? undefined : placeOf(cursor, list);
      const found = await this.links.model
        .find({
          ...{ kind: "invitation", tenantId, expiresAt: { $gt: new Date() } },
          ...(after === undefined ? {} : { _id: { $gt: String(after) } }),
        })
        .sort({ _id: 1 })
        .limit(limit + 1)
        .lean<LinkDocument[]>();
      const last = found[limit - 1];
      return {
        items: found.slice(0, limit).map(invitationOf),
        ...(found.length > limit && last ? { nextCursor: cursorOf(last._id, list) } : {}),
      };
    },

    async revokeInvitation(ctx) {
      const { deletedCount } = await this.links.model.deleteOne({
        ...{ _id: ctx.params.invitationId, kind: "invitation", tenantId: callersTenant(ctx) },
      });
      if (deletedCount === 0) throw new InvitationNotFoundError();
    },

    async createTenant(ctx) {
      const { id, name, admin: email } = ctx.params;
      const tenant = {
        _id: id,
        ...(name === undefined ? {} : { name }),
        status: "active",
        createdAt: new Date(),
      } as const;
      try {
        await this.tenants.insertMany([tenant]);
      } catch (error) {
        throw (error as { code?: unknown }).code === DUPLICATE_KEY ? new TenantExistsError(id) : error;
      }
      await ctx.call("users.invite", { email, roles: ["owner"] }, { meta: { tenantId: id } });
      ctx.meta.$location = `/v1/tenants/${id}`;
      return tenantOf(tenant);
    },

    async listTenants(ctx) {
      const { cursor, limit } = ctx.params;
      const list = ["tenants"];
      const after = cursor === undefined ? undefined : placeOf(cursor, list, TenantId);
      const found = await this.tenants
        .find(after === undefined ? {} : { _id: { $gt: after } })
        .sort({ _id: 1 })
        .limit(limit + 1)
        .lean();
      const last = found[limit - 1];
      return {
        items: found.slice(0, limit).map(tenantOf),
        ...(found.length > limit && last ? { nextCursor: cursorOf(last._id, list) } : {}),
      };
    },

    async updateTenant(ctx) {
      const { tenantId, ...change } = ctx.params;
      const changed = await this.tenants
        .findOneAndUpdate({ _id: tenantId }, { $set: change }, { returnDocument: "after" })
        .lean();
      if (!changed) throw new TenantNotFoundError(tenantId);
      if (change.status === "suspended") await this.broker.broadcast("tenant.suspended", { tenantId });
      return tenantOf(changed);
    },

    async acceptInvitation(ctx) {
      const { token, name, password } = ctx.params;
      const link = await this.links.find("invitation", token);
      const { email, tenantId = DEFAULT_TENANT, roles = [] } = link;
      const known = await this.users.find(email);
      // Who has an account proves it: an invitation is no way to another's password.
      if (known && !(await isPassword(password, known.password))) throw new LoginRefusedError();
      const fresh = {
        ...(name === undefined ? {} : { name }),
        password: known?.password ?? (await hashPassword(password)),
      };
      // The link ends last: an acceptance that is cut off can be tried again.
      const admitted = this.users.admit(email, { tenantId, roles, status: "active" }, fresh);
      const user = await admitted.catch((error: { code?: unknown }) => {
        // Another one was quicker with the same link.
        throw error.code === DUPLICATE_KEY ? new LinkExpiredError() : error;
      });
      await this.links.take(link);
      return this.users.accountOf(user);
    },

    async requestPasswordReset(ctx) {
      const { email, address = NOWHERE } = ctx.params;
      await this.attempts.begin(`reset ${email}`, address);
      if (!(await this.users.find(email))) return;
      const { resetSeconds, issuer } = this.settings;
      const { token } = await this.links.issue({ kind: "password-reset", email }, resetSeconds);
      await sendMail(this.broker, resetMail({ email, issuer, token }), resetSeconds);
    },

    async resetPassword(ctx) {
      const { token, password } = ctx.params;
      const link = await this.links.find("password-reset", token);
      const hash = await hashPassword(password);
      await this.links.take(link);
      const user = await this.users.model
        .findOneAndUpdate({ email: link.email }, { $set: { password: hash } }, { returnDocument: "after" })
        .lean<UserDocument>();
      if (!user) throw new UserNotFoundError(link.email);
      await this.broker.broadcast("user.password-changed", { userId: user._id });
      return this.users.accountOf(user);
    },

    async authenticate(ctx) {
      const { password, address = NOWHERE } = ctx.params;
      const email = ctx.params.email.trim().toLowerCase();
      await this.attempts.begin(email, address);
      const user = await this.users.find(email);
      if (!(await isPassword(password, user?.password)) || !user) throw new LoginRefusedError();
      await this.attempts.succeeded(email, address);
      return this.users.accountOf(user);
    },

    async account(ctx) {
      const user = await this.users.model.findOne({ _id: ctx.params.userId }).lean<UserDocument>();
      return user ? this.users.accountOf(user) : null;
    },
  },
});

const member = (user: UserDocument, tenantId: string) => {
  const found = userOf(user, tenantId);
  if (!found) throw new UserNotFoundError(user._id);
  return found;
};

const invitationOf = ({ _id: id, email, roles = [], createdAt, expiresAt }: LinkDocument): Invitation => ({
  ...{ id, email, roles, createdAt: createdAt.toISOString(), expiresAt: expiresAt.toISOString() },
});

const sendMail = (broker: TypedBroker, mail: { to: string; subject: string; text: string }, seconds: number) =>
  broker.publish("mail.requested", mail, { ttlMs: seconds * 1000 });
