import type { EndpointAnswer, EndpointRequest } from "../../../schemas/oauth.ts";
import { type EndpointName, endpoints } from "../../../schemas/oauth-endpoints.ts";
import { type AccountForm, accountForm } from "../account-forms.ts";
import type { OAuth } from "../oauth.ts";

type Handler = (this: OAuth, ctx: { params: EndpointRequest }) => Promise<EndpointAnswer>;

const ACCOUNT_FORMS: ReadonlySet<string> = new Set([
  "invitation",
  "passwordReset",
  "forgotten",
] satisfies AccountForm[]);
const isAccountForm = (name: string): name is AccountForm => ACCOUNT_FORMS.has(name);

/** One action for each endpoint of the protocol; what it does, the provider knows. */
// Cast: the names of the entries are the table's.
export const endpointActions = Object.fromEntries(
  endpoints.map(([name]): [EndpointName, Handler] => [
    name,
    async function ({ params }) {
      if (isAccountForm(name)) return accountForm(this.broker, name, params);
      return (await this.identity()).answer(name, params);
    },
  ]),
) as Record<EndpointName, Handler>;
