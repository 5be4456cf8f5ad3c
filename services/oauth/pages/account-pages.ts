import { alert, escapeHtml, type Page } from "./page.ts";

const PASSWORD_MIN = 12;

const field = (name: string, label: string, attributes: string, hint = "") =>
  `<label for="${name}">${label}</label><input id="${name}" name="${name}" ${attributes}` +
  `${hint && ` aria-describedby="${name}-hint"`}>${hint && `<p id="${name}-hint">${hint}</p>`}`;

const newPassword = field(
  "password",
  "Password",
  `type="password" autocomplete="new-password" minlength="${PASSWORD_MIN}" maxlength="1024" required`,
  `At least ${PASSWORD_MIN} characters.`,
);

const tokenField = (token: string) => `<input type="hidden" name="token" value="${escapeHtml(token)}">`;

export const invitationPage = (token: string, message?: string): Page => ({
  title: "Accept the invitation",
  body:
    `${alert(message)}<form method="post" action="/oauth/invitation">${tokenField(token)}` +
    field("name", "Your name", `type="text" autocomplete="name" maxlength="200"`) +
    `${newPassword}<p>If you have an account already, give its password.</p><button>Accept</button></form>`,
});

export const resetPage = (token: string, message?: string): Page => ({
  title: "Set your password",
  body:
    `${alert(message)}<form method="post" action="/oauth/password-reset">${tokenField(token)}` +
    `${newPassword}<button>Set the password</button></form>`,
});

export const forgottenPage = (message?: string): Page => ({
  title: "Forgotten password",
  body:
    `${alert(message)}<form method="post" action="/oauth/forgotten">` +
    field("email", "E-mail address", `type="text" autocomplete="email" maxlength="254" required`) +
    "<button>Send a link</button></form>",
});

export const messagePage = (title: string, text: string): Page => ({ title, body: `<p>${escapeHtml(text)}</p>` });
