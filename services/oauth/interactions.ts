import { type IncomingMessage, ServerResponse } from "node:http";
import { errors, type InteractionResults, type Provider } from "oidc-provider";
import type { EndpointAnswer, EndpointRequest } from "../../schemas/oauth.ts";
import { type Accounts, TooManyAttempts } from "./accounts/accounts.ts";
import { request } from "./inject.ts";
import { consentPage } from "./pages/consent-page.ts";
import { loginPage } from "./pages/login-page.ts";
import { escapeHtml, type Page, pageHeaders, renderPage } from "./pages/page.ts";
import { tenantOfClient } from "./tenant.ts";

type Details = Awaited<ReturnType<Provider["interactionDetails"]>>;
type Exchange = [IncomingMessage, ServerResponse];

/** What a consent is asked for, as the library tells it. */
interface Missing {
  missingOIDCScope?: string[];
  missingOIDCClaims?: string[];
  missingResourceScopes?: Record<string, string[]>;
}

/** The pages between an authorization request and its answer: login and consent. */
export class Interactions {
  readonly #provider: Provider;
  readonly #accounts: Accounts;

  constructor(provider: Provider, accounts: Accounts) {
    this.#provider = provider;
    this.#accounts = accounts;
  }

  interaction(endpoint: EndpointRequest): Promise<EndpointAnswer> {
    return this.#within(endpoint, async (details) => {
      const { prompt, session, params } = details;
      const path = pathOf(details);
      const client = await this.#client(details);
      const clientName = client.clientName ?? client.clientId;
      if (prompt.name === "login") return page(loginPage({ path, clientName }), 200, params["redirect_uri"]);
      const account = session && (await this.#accounts.find(session.accountId));
      const accountName = account?.name ?? account?.email ?? "";
      const scopes = askedScopes(details);
      return page(consentPage({ path, clientName, accountName, scopes }), 200, params["redirect_uri"]);
    });
  }

  login(endpoint: EndpointRequest): Promise<EndpointAnswer> {
    return this.#within(endpoint, async (details, exchange) => {
      if (details.prompt.name !== "login") throw new errors.InvalidRequest("nobody is asked to sign in");
      const form = new URLSearchParams(endpoint.body);
      const [email, password] = [form.get("email") ?? "", form.get("password") ?? ""];
      const client = await this.#client(details);
      const refused = (status: number, message: string) => {
        const [path, clientName] = [pathOf(details), client.clientName ?? client.clientId];
        return page(loginPage({ path, clientName, email, message }), status, details.params["redirect_uri"]);
      };
      const account = await this.#accounts.authenticate(email, password, endpoint.ip).catch((error: unknown) => {
        if (error instanceof TooManyAttempts) return error;
        throw error;
      });
      if (account instanceof TooManyAttempts) {
        const answer = refused(429, "Too many attempts. Try again later.");
        return { ...answer, headers: { ...answer.headers, "retry-after": String(account.seconds) } };
      }
      if (!account) return refused(401, "E-mail address or password is wrong.");
      if (!account.tenants.includes(tenantOfClient(client))) return refused(403, "You are not a member here.");
      return this.#go(exchange, { login: { accountId: account.sub, amr: ["pwd"] } });
    });
  }

  consent(endpoint: EndpointRequest): Promise<EndpointAnswer> {
    return this.#within(endpoint, async (details, exchange) => {
      const { prompt, session, grantId, params } = details;
      if (prompt.name !== "consent" || !session) throw new errors.InvalidRequest("nobody is asked to consent");
      const known = grantId ? await this.#provider.Grant.find(grantId) : undefined;
      const clientId = String(params["client_id"]);
      const grant = known ?? new this.#provider.Grant({ accountId: session.accountId, clientId });
      const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = prompt.details as Missing;
      if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(" "));
      if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims);
      for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {}))
        grant.addResourceScope(resource, scopes.join(" "));
      const saved = await grant.save();
      return this.#go(exchange, { consent: { grantId: saved } }, true);
    });
  }

  abort(endpoint: EndpointRequest): Promise<EndpointAnswer> {
    return this.#within(endpoint, (_, exchange) =>
      this.#go(exchange, { error: "access_denied", error_description: "The user declined" }),
    );
  }

  /** Of an interaction nothing is needed but its cookie, which the browser sends to this path only. */
  async #within(
    { headers, path, ip }: EndpointRequest,
    work: (details: Details, exchange: Exchange) => Promise<EndpointAnswer>,
  ): Promise<EndpointAnswer> {
    const message = request({
      ...{ method: "GET", url: "/", remoteAddress: ip },
      headers: headers["cookie"] === undefined ? {} : { cookie: headers["cookie"] },
    });
    const exchange: Exchange = [message, new ServerResponse(message)];
    try {
      const details = await this.#provider.interactionDetails(...exchange);
      if (details.uid !== path["uid"]) throw new errors.SessionNotFound("interaction session not found");
      return await work(details, exchange);
    } catch (error) {
      if (!(error instanceof errors.OIDCProviderError)) throw error;
      const body = `<p>${escapeHtml(error.error_description ?? "")}</p><p>Go back to the application and begin again.</p>`;
      return page({ title: "This did not work", body }, error.status);
    }
  }

  async #client({ params }: Details) {
    const client = await this.#provider.Client.find(String(params["client_id"]));
    if (!client) throw new errors.InvalidClient("client is invalid", "client not found");
    return client;
  }

  async #go(exchange: Exchange, result: InteractionResults, merge = false): Promise<EndpointAnswer> {
    const location = await this.#provider.interactionResult(...exchange, result, { mergeWithLastSubmission: merge });
    return { status: 303, headers: { location, "cache-control": "no-store" }, body: "" };
  }
}

const pathOf = ({ uid }: Details) => `/oauth/interaction/${encodeURIComponent(uid)}`;

function askedScopes({ prompt, params }: Details): string[] {
  const { missingOIDCScope = [], missingResourceScopes = {} } = prompt.details as Missing;
  const missing = new Set([...missingOIDCScope, ...Object.values(missingResourceScopes).flat()]);
  return missing.size > 0 ? [...missing] : String(params["scope"] ?? "").split(" ");
}

const page = (content: Page, status: number, redirectUri?: unknown): EndpointAnswer => ({
  status,
  headers: pageHeaders(redirectUri),
  body: renderPage(content),
});
