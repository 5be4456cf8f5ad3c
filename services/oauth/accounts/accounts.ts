/** Who signs in. `sub` names one person in one tenant: whoever belongs to two has two. */
export interface Account {
  sub: string;
  tenant: string;
  /** Claims of OpenID Connect (Core section 5.1). */
  name?: string;
  email?: string;
  email_verified?: boolean;
}

/** The users, as the authorization server needs them. */
export interface Accounts {
  /** Undefined where there is none (any more), or it may not sign in. */
  find(sub: string): Promise<Account | undefined>;
  /** Undefined where name or password is wrong; which of them is not told, nor by the time that it takes. */
  authenticate(name: string, password: string, tenant?: string): Promise<Account | undefined>;
}
