import { interactionPolicy as library } from "oidc-provider";
import type { Account } from "./accounts/accounts.ts";
import { tenantOfClient } from "./tenant.ts";

/** When a user is asked to sign in or to consent: as the library has it, and a user of another tenant signs in anew. */
export function interactionPolicy(): library.DefaultPolicy {
  const policy = library.base();
  policy.get("login")?.checks.add(
    new library.Check("other_tenant", "the user belongs to another tenant", ({ oidc }) => {
      const account = oidc.account as (Account & object) | undefined;
      return account !== undefined && oidc.client !== undefined && account.tenant !== tenantOfClient(oidc.client)
        ? library.Check.REQUEST_PROMPT
        : library.Check.NO_NEED_TO_PROMPT;
    }),
  );
  return policy;
}
