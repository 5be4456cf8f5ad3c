import type { Caller } from "../../../lib/service.ts";
import type { Account as User } from "../../../schemas/users.ts";
import { type Account, type Accounts, TooManyAttempts } from "./accounts.ts";

/** Nobody has a longer id. */
const ID_CHARS_MAX = 64;
const EMAIL_CHARS_MAX = 254;
const PASSWORD_CHARS_MAX = 1024;

interface Refusal {
  type?: string;
  data?: { retryAfterSeconds?: number };
}

/** The users of the service `users`. */
export class UsersAccounts implements Accounts {
  readonly #broker: Caller;

  constructor(broker: Caller) {
    this.#broker = broker;
  }

  async find(sub: string): Promise<Account | undefined> {
    if (sub.length > ID_CHARS_MAX) return undefined;
    const user = await this.#broker.call("users.account", { userId: sub });
    return user ? accountOf(user) : undefined;
  }

  async authenticate(email: string, password: string, address: string): Promise<Account | undefined> {
    const given = { email: email.slice(0, EMAIL_CHARS_MAX), password: password.slice(0, PASSWORD_CHARS_MAX), address };
    try {
      return accountOf(await this.#broker.call("users.authenticate", given));
    } catch (error) {
      const { type, data } = error as Refusal;
      if (type === "LOGIN_REFUSED") return undefined;
      if (type === "RATE_LIMITED") throw new TooManyAttempts(data?.retryAfterSeconds ?? 1);
      throw error;
    }
  }
}

const accountOf = ({ userId: sub, email, name, memberships }: User): Account => ({
  sub,
  email,
  // Whoever has an account came by a link that was sent there.
  email_verified: true,
  ...(name !== undefined && { name }),
  tenants: memberships.map(({ tenantId }) => tenantId),
});
