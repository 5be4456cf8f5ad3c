import { defineContract } from "../lib/contract.ts";

/** A mail that is to be sent: an item of work. */
export interface MailRequested {
  to: string;
  subject: string;
  /** Plain text. */
  text: string;
}

/** Sends what is asked for on its channel: has no actions of its own. */
export const mail = defineContract({ name: "mail", actions: {} });
