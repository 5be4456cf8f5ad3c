import { Errors } from "moleculer";
import type { Transporter } from "nodemailer";
import { EngineUnavailableError } from "../../lib/channels/errors.ts";
import { defineService } from "../../lib/service.ts";
import { mail } from "../../schemas/mail.ts";
import { isRefusal } from "./refusal.ts";

interface Settings {
  /** `smtp://` or `smtps://`, with user and password where they are needed; without it mails are printed. */
  url?: string;
  /** Sender. */
  from: string;
  timeoutMs: number;
}

/** Sends mails, each until the server has taken it or its time is up. Where there is no server it prints them. */
export default defineService(mail, {
  settings: { from: "Ganglion <ganglion@localhost>", timeoutMs: 10_000 } as Settings,
  state: () => ({ transport: undefined as Transporter | undefined }),

  async started() {
    const { url, timeoutMs } = this.settings;
    if (url === undefined) return;
    const { createTransport } = await import("nodemailer");
    const limits = { connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs };
    // Nothing of a mail is taken from files or other servers.
    this.transport = createTransport({ url, ...limits, disableFileAccess: true, disableUrlAccess: true });
  },

  stopped() {
    this.transport?.close();
  },

  actions: {},

  channels: {
    "mail.requested": {
      group: "mail",
      async handler({ params: { to, subject, text } }) {
        if (!this.transport) {
          this.logger.warn("No mail server is set (SMTP_URL): this would have been sent.", { to, subject, text });
          return;
        }
        try {
          await this.transport.sendMail({ from: this.settings.from, to, subject, text });
        } catch (error) {
          if (!isRefusal(error))
            throw new EngineUnavailableError(`the mail server is away: ${(error as Error).message}`);
          // Trying again would be the same again: to the dead letters, where somebody sees it.
          throw new Errors.MoleculerClientError(`The mail server refuses it: ${error.message}`, 422, "MAIL_REFUSED");
        }
      },
    },
  },
});
