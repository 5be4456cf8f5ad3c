import type { Configuration, KoaContextWithOIDC } from "oidc-provider";
import { alert, escapeHtml, type Page, pageHeaders, renderPage } from "./page.ts";

/** Writes a page as the library's answer. */
export function show(ctx: KoaContextWithOIDC, page: Page, redirectUri?: unknown): void {
  ctx.set(pageHeaders(redirectUri));
  ctx.body = renderPage(page);
}

/** What the library's own form would have sent. */
const fieldsOf = (form: string) => {
  const [, action = ""] = /action="([^"]*)"/.exec(form) ?? [];
  const hidden = form.match(/<input type="hidden"[^>]*>/g) ?? [];
  return { action, hidden: hidden.join("") };
};

const CODE_ERRORS: Readonly<Record<string, string>> = {
  NoCodeError: "Enter the code that the device shows.",
  NotFoundError: "There is no such code. Compare it with what the device shows.",
  ExpiredError: "The code has expired. Let the device show another one.",
  AlreadyUsedError: "The code was used already. Let the device show another one.",
  AbortedError: "The device was not connected.",
};

type DeviceFlow = NonNullable<NonNullable<Configuration["features"]>["deviceFlow"]>;

/** Pages of the device flow (RFC 8628 section 3.3). */
export const devicePages: Pick<DeviceFlow, "userCodeInputSource" | "userCodeConfirmSource" | "successSource"> = {
  async userCodeInputSource(ctx, form, _out, error) {
    const { action, hidden } = fieldsOf(form);
    const message = error && (CODE_ERRORS[error.constructor.name] ?? "The code was not taken.");
    show(ctx, {
      title: "Connect a device",
      body:
        `${alert(message)}<form method="post" action="${action}">${hidden}` +
        `<label for="user_code">Code that the device shows</label>` +
        `<input id="user_code" name="user_code" type="text" autocomplete="off" autocapitalize="characters" required>` +
        `<button>Continue</button></form>`,
    });
  },

  async userCodeConfirmSource(ctx, form, client, _device, userCode) {
    const { action, hidden } = fieldsOf(form);
    show(ctx, {
      title: "Is this your device?",
      body:
        `<p>${escapeHtml(client.clientName ?? client.clientId)} shows the code <strong>${escapeHtml(userCode)}</strong>. ` +
        `Continue only if you see the same code on a device that you are setting up yourself.</p>` +
        `<form class="inline" method="post" action="${action}">${hidden}<button>Continue</button></form>` +
        `<form class="inline" method="post" action="${action}">${hidden.replace(/<input[^>]*name="confirm"[^>]*>/, "")}` +
        `<input type="hidden" name="abort" value="yes"><button class="second">Cancel</button></form>`,
    });
  },

  async successSource(ctx) {
    show(ctx, { title: "The device is connected", body: "<p>You may close this page.</p>" });
  },
};

type Logout = NonNullable<NonNullable<Configuration["features"]>["rpInitiatedLogout"]>;

/** Pages of OpenID Connect RP-Initiated Logout. */
export const logoutPages: Pick<Logout, "logoutSource" | "postLogoutSuccessSource"> = {
  async logoutSource(ctx, form) {
    const { action, hidden } = fieldsOf(form);
    const back = ctx.oidc.params?.["post_logout_redirect_uri"];
    show(
      ctx,
      {
        title: "Sign out?",
        body:
          `<form class="inline" method="post" action="${action}">${hidden}` +
          `<button name="logout" value="yes">Sign out</button><button class="second">Stay signed in</button></form>`,
      },
      back,
    );
  },

  async postLogoutSuccessSource(ctx) {
    show(ctx, { title: "You are signed out", body: "<p>You may close this page.</p>" });
  },
};

export const renderError: NonNullable<Configuration["renderError"]> = async (ctx, out) =>
  show(ctx, {
    title: "This did not work",
    body: `<p>${escapeHtml(out.error_description ?? "The request could not be handled.")}</p><p>Code: ${escapeHtml(out.error)}</p>`,
  });
