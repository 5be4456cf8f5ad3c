import { randomBytes } from "node:crypto";
import type { Model } from "mongoose";
import { DEFAULT_TENANT } from "../../../lib/meta.ts";
import { UserExistsError } from "../errors.ts";
import { isDuplicate } from "../storage/duplicate.ts";
import type { AccountDocument } from "./account.model.ts";
import type { Account, Accounts } from "./accounts.ts";
import { hashPassword, isPassword } from "./password-hash.ts";

export interface NewAccount {
  name: string;
  password: string;
  displayName?: string | undefined;
  email?: string | undefined;
}

const loginOf = (name: string) => name.normalize("NFKC").toLowerCase();

/** Users with a password, in the document store. */
export class StoredAccounts implements Accounts {
  readonly #model: Model<AccountDocument>;

  constructor(model: Model<AccountDocument>) {
    this.#model = model;
  }

  /** @throws UserExistsError */
  async create(tenantId: string, { name, password, displayName, email }: NewAccount): Promise<Account> {
    const document: AccountDocument = {
      _id: `u_${randomBytes(12).toString("base64url")}`,
      tenantId,
      login: loginOf(name),
      ...(displayName !== undefined && { displayName }),
      ...(email !== undefined && { email }),
      passwordHash: await hashPassword(password),
      createdAt: new Date(),
    };
    try {
      await this.#model.create(document);
    } catch (error) {
      throw isDuplicate(error) ? new UserExistsError(name) : error;
    }
    return accountOf(document);
  }

  async find(sub: string): Promise<Account | undefined> {
    const document = await this.#model.findById(sub).lean<AccountDocument>();
    return document ? accountOf(document) : undefined;
  }

  async authenticate(name: string, password: string, tenant = DEFAULT_TENANT): Promise<Account | undefined> {
    const document = await this.#model.findOne({ tenantId: tenant, login: loginOf(name) }).lean<AccountDocument>();
    const right = await isPassword(password, document?.passwordHash);
    return document && right ? accountOf(document) : undefined;
  }
}

const accountOf = ({ _id: sub, tenantId: tenant, login, displayName, email }: AccountDocument): Account => ({
  sub,
  tenant,
  name: displayName ?? login,
  ...(email !== undefined && { email, email_verified: false }),
});
