import { declineForm } from "./login-page.ts";
import { escapeHtml, type Page } from "./page.ts";

export interface ConsentPage {
  /** Path of the interaction. */
  path: string;
  clientName: string;
  /** Who is asked. */
  accountName: string;
  scopes: readonly string[];
}

/** What is meant by a scope of OpenID Connect; those of the interface name themselves. */
const MEANING: Readonly<Record<string, string>> = {
  openid: "know who you are",
  profile: "see your name",
  email: "see your e-mail address",
  offline_access: "go on while you are away",
};

export const consentPage = ({ path, clientName, accountName, scopes }: ConsentPage): Page => ({
  title: `Allow ${clientName}?`,
  body:
    `<p>You are signed in as ${escapeHtml(accountName)}. ${escapeHtml(clientName)} asks to:</p>` +
    `<ul>${scopes.map((scope) => `<li>${escapeHtml(MEANING[scope] ?? scope)}</li>`).join("")}</ul>` +
    `<form class="inline" method="post" action="${escapeHtml(path)}/confirm"><button>Allow</button></form>` +
    declineForm(path),
});
