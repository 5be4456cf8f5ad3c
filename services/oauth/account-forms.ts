import type { Caller } from "../../lib/service.ts";
import type { EndpointAnswer, EndpointRequest } from "../../schemas/oauth.ts";
import { forgottenPage, invitationPage, messagePage, resetPage } from "./pages/account-pages.ts";
import { type Page, pageHeaders, renderPage } from "./pages/page.ts";

interface Refusal {
  type?: string;
  code?: number;
  data?: { retryAfterSeconds?: number; field?: string; message?: string }[] & { retryAfterSeconds?: number };
}

export type AccountForm = "invitation" | "passwordReset" | "forgotten";

/** Pages to which the links lead that users are sent, and the one on which they ask for one. */
export async function accountForm(
  broker: Caller,
  form: AccountForm,
  request: EndpointRequest,
): Promise<EndpointAnswer> {
  const given = new URLSearchParams(request.method === "POST" ? request.body : request.query);
  const token = given.get("token") ?? "";
  const page = (message?: string) =>
    form === "forgotten"
      ? forgottenPage(message)
      : form === "invitation"
        ? invitationPage(token, message)
        : resetPage(token, message);
  if (request.method !== "POST") return show(page());
  try {
    return show(await submitted(broker, form, given, request.ip));
  } catch (error) {
    const { status, message, headers } = refusalOf(error as Refusal);
    return show(page(message), status, headers);
  }
}

async function submitted(broker: Caller, form: AccountForm, given: URLSearchParams, address: string): Promise<Page> {
  const [token, password] = [given.get("token") ?? "", given.get("password") ?? ""];
  if (form === "forgotten") {
    await broker.call("users.requestPasswordReset", { email: given.get("email") ?? "", address });
    return messagePage("Look into your mail", "If there is an account for this address, a link is on its way to it.");
  }
  const name = given.get("name")?.trim();
  if (form === "invitation") await broker.call("users.acceptInvitation", { token, password, ...(name && { name }) });
  else await broker.call("users.resetPassword", { token, password });
  return messagePage(form === "invitation" ? "Welcome" : "The password is set", "You may sign in now.");
}

/** @throws what is no refusal of the users' service */
function refusalOf(error: Refusal): { status: number; message: string; headers?: Record<string, string> } {
  const { type, data } = error;
  switch (type) {
    case "VALIDATION_ERROR":
      return { status: 422, message: data?.map(({ field, message }) => `${field} ${message}`).join(", ") ?? "" };
    case "LOGIN_REFUSED":
      return { status: 401, message: "You have an account already, and this is not its password." };
    case "LINK_EXPIRED":
      return { status: 410, message: "The link is not valid any more." };
    case "RATE_LIMITED":
      return {
        ...{ status: 429, message: "Too many attempts. Try again later." },
        headers: { "retry-after": String(data?.retryAfterSeconds ?? 1) },
      };
    default:
      throw error;
  }
}

const show = (page: Page, status = 200, headers: Record<string, string> = {}): EndpointAnswer => ({
  status,
  headers: { ...pageHeaders(), ...headers },
  body: renderPage(page),
});
