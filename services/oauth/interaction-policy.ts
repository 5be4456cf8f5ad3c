import { interactionPolicy as library } from "oidc-provider";
import type { Account } from "./accounts/accounts.ts";
import { tenantOfClient } from "./tenant.ts";

/**
 * When a user is asked to sign in or to consent: as the library has it, and whoever the browser is signed in as signs in
 * anew where that user is gone, or is no member of the client's tenant.
 */
export function interactionPolicy(): library.DefaultPolicy {
  const policy = library.base();
  policy.get("login")?.checks.add(
    new library.Check(
      "no_member",
      "the user is no member of the tenant",
      "login_required",
      ({ oidc: { session, account, client } }) => {
        if (!session?.accountId || !client) return library.Check.NO_NEED_TO_PROMPT;
        const { tenants = [] } = (account ?? {}) as Partial<Account>;
        return tenants.includes(tenantOfClient(client))
          ? library.Check.NO_NEED_TO_PROMPT
          : library.Check.REQUEST_PROMPT;
      },
    ),
  );
  return policy;
}
