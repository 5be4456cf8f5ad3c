import { alert, escapeHtml, type Page } from "./page.ts";

export interface LoginPage {
  /** Path of the interaction. */
  path: string;
  clientName: string;
  name?: string;
  message?: string;
}

export const loginPage = ({ path, clientName, name = "", message }: LoginPage): Page => ({
  title: "Sign in",
  body:
    `<p>to go on to ${escapeHtml(clientName)}</p>${alert(message)}` +
    `<form method="post" action="${escapeHtml(path)}/login">` +
    `<label for="name">Name</label><input id="name" name="name" type="text" value="${escapeHtml(name)}" ` +
    `autocomplete="username" autocapitalize="none" maxlength="128" required>` +
    `<label for="password">Password</label><input id="password" name="password" type="password" ` +
    `autocomplete="current-password" maxlength="1024" required>` +
    `<button>Sign in</button></form>${declineForm(path)}`,
});

export const declineForm = (path: string): string =>
  `<form class="inline" method="post" action="${escapeHtml(path)}/abort"><button class="second">Cancel</button></form>`;
