/** Who signs in: one person, in any number of tenants. */
export interface Account {
  sub: string;
  /** Claims of OpenID Connect (Core section 5.1). */
  name?: string;
  email: string;
  email_verified: boolean;
  /** Where it may act at present. */
  tenants: readonly string[];
}

/** The users, as the authorization server needs them. */
export interface Accounts {
  /** Undefined where there is none (any more). */
  find(sub: string): Promise<Account | undefined>;
  /**
   * Undefined where e-mail address or password is wrong; which of them is not told.
   *
   * @param address of the caller
   * @throws TooManyAttempts
   */
  authenticate(email: string, password: string, address: string): Promise<Account | undefined>;
}

/** Nobody may try again before that. */
export class TooManyAttempts extends Error {
  override name = "TooManyAttempts";
  readonly seconds: number;

  constructor(seconds: number) {
    super("too many attempts");
    this.seconds = seconds;
  }
}
