import { randomUUID } from "node:crypto";
import type { Model } from "mongoose";
import type { Account } from "../../schemas/users.ts";
import { LastAdministratorError, UserNotFoundError } from "./errors.ts";
import type { TenantDocument } from "./tenant.model.ts";
import type { Membership, UserDocument } from "./user.model.ts";

/** Who may change a tenant's users. */
const ADMINISTRATORS = ["owner", "admin"];

/** Stored users and their memberships. */
export class Users {
  readonly model: Model<UserDocument>;
  readonly #tenants: Model<TenantDocument>;

  constructor(model: Model<UserDocument>, tenants: Model<TenantDocument>) {
    this.model = model;
    this.#tenants = tenants;
  }

  /** @throws UserNotFoundError where it is no member of the tenant */
  async member(tenantId: string, userId: string): Promise<UserDocument> {
    const user = await this.model.findOne({ _id: userId, "memberships.tenantId": tenantId }).lean();
    if (!user) throw new UserNotFoundError(userId);
    return user;
  }

  find(email: string): Promise<UserDocument | null> {
    return this.model.findOne({ email }).lean<UserDocument>().exec();
  }

  /** A member of the tenant from now on, with these roles; made where there is none of the address. */
  async admit(
    email: string,
    membership: Membership,
    fresh: { name?: string; password: string },
  ): Promise<UserDocument> {
    const { tenantId } = membership;
    const known = await this.find(email);
    if (!known) {
      const user: UserDocument = {
        ...{ _id: randomUUID(), email, ...fresh, memberships: [membership], createdAt: new Date() },
      };
      await this.model.insertMany([user]);
      return user;
    }
    const memberships = [...known.memberships.filter((one) => one.tenantId !== tenantId), membership];
    await this.model.updateOne({ _id: known._id }, { $set: { memberships } });
    return { ...known, memberships };
  }

  /** @throws UserNotFoundError, LastAdministratorError */
  async change(tenantId: string, userId: string, change: Partial<Omit<Membership, "tenantId">>): Promise<UserDocument> {
    const user = await this.member(tenantId, userId);
    const memberships = user.memberships.map((one) => (one.tenantId === tenantId ? { ...one, ...change } : one));
    await this.#keepAdministrator(tenantId, { ...user, memberships });
    await this.model.updateOne({ _id: userId }, { $set: { memberships } });
    return { ...user, memberships };
  }

  /** @throws UserNotFoundError, LastAdministratorError */
  async remove(tenantId: string, userId: string): Promise<void> {
    const user = await this.member(tenantId, userId);
    const memberships = user.memberships.filter((one) => one.tenantId !== tenantId);
    await this.#keepAdministrator(tenantId, { ...user, memberships });
    if (memberships.length === 0) await this.model.deleteOne({ _id: userId });
    else await this.model.updateOne({ _id: userId }, { $set: { memberships } });
  }

  async isAnybodyThere(): Promise<boolean> {
    return (await this.model.findOne({}, { _id: 1 }).lean()) !== null;
  }

  /** What a token may say of a user: where somebody is suspended, nothing. */
  async accountOf({ _id: userId, email, name, memberships }: UserDocument): Promise<Account> {
    const suspended = await this.#tenants
      .find({ _id: { $in: memberships.map(({ tenantId }) => tenantId) }, status: "suspended" }, { _id: 1 })
      .lean();
    const closed = new Set(suspended.map(({ _id }) => _id));
    return {
      ...{ userId, email, ...(name === undefined ? {} : { name }) },
      memberships: memberships
        .filter(({ tenantId, status }) => status === "active" && !closed.has(tenantId))
        .map(({ tenantId, roles }) => ({ tenantId, roles })),
    };
  }

  /** @throws LastAdministratorError where the change leaves the tenant without one that it has now */
  async #keepAdministrator(tenantId: string, after: UserDocument): Promise<void> {
    const isOne = ({ memberships }: UserDocument) =>
      memberships.some(
        (one) =>
          one.tenantId === tenantId &&
          one.status === "active" &&
          one.roles.some((role) => ADMINISTRATORS.includes(role)),
      );
    if (isOne(after)) return;
    const members = await this.model.find({ "memberships.tenantId": tenantId }).lean<UserDocument[]>();
    if (members.some(isOne) && !members.some((one) => one._id !== after._id && isOne(one)))
      throw new LastAdministratorError();
  }
}
