/** What is sent to people. */
export interface Mail {
  to: string;
  subject: string;
  /** Plain text. */
  text: string;
}

export const invitationMail = (to: { email: string; tenantId: string; issuer: string; token: string }): Mail => ({
  to: to.email,
  subject: `You are invited to ${to.tenantId}`,
  text: `You are invited to become a member of ${to.tenantId}:\n\n${to.issuer}/oauth/invitation?token=${to.token}\n\nThe link is good once, for a week.\n`,
});

export const resetMail = (to: { email: string; issuer: string; token: string }): Mail => ({
  to: to.email,
  subject: "Set your password anew",
  text: `Somebody, probably you, asked for a new password:\n\n${to.issuer}/oauth/password-reset?token=${to.token}\n\nThe link is good once, for an hour. If it was not you, nothing has to be done.\n`,
});
