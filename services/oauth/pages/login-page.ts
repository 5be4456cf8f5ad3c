import { alert, escapeHtml, type Page } from "./page.ts";

export interface LoginPage {
  /** Path of the interaction. */
  path: string;
  clientName: string;
  email?: string;
  message?: string;
}

export const loginPage = ({ path, clientName, email = "", message }: LoginPage): Page => ({
  title: "Sign in",
  body:
    `<p>to go on to ${escapeHtml(clientName)}</p>${alert(message)}` +
    `<form method="post" action="${escapeHtml(path)}/login">` +
    `<label for="email">E-mail address</label><input id="email" name="email" type="text" value="${escapeHtml(email)}" ` +
    `autocomplete="username" autocapitalize="none" maxlength="254" required>` +
    `<label for="password">Password</label><input id="password" name="password" type="password" ` +
    `autocomplete="current-password" maxlength="1024" required>` +
    `<button>Sign in</button></form>${declineForm(path)}<p><a href="/oauth/forgotten">Forgotten password?</a></p>`,
});

export const declineForm = (path: string): string =>
  `<form class="inline" method="post" action="${escapeHtml(path)}/abort"><button class="second">Cancel</button></form>`;
