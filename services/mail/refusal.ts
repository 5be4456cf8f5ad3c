/** Whether a mail server said that it will never take the mail (RFC 5321 section 4.2.1: 5yz), and not only not now. */
export const isRefusal = (error: unknown): error is Error =>
  error instanceof Error && Number((error as { responseCode?: unknown }).responseCode) >= 500;
