import assert from "node:assert/strict";
import { after, test } from "node:test";
import mail from "../../services/mail/mail.service.ts";
import users from "../../services/users/users.service.ts";
import { as, startBroker } from "../support/broker.ts";
import { startSmtp } from "../support/smtp.ts";

const smtp = await startSmtp();
const { broker, call, stop } = await startBroker([users, mail], { SMTP_URL: smtp.url, LOGIN_FAILURES_MAX: "3" });
after(async () => {
  await stop();
  await smtp.stop();
});

const WAIT = { timeout: 20_000 };
const PASSWORD = "correct horse battery";
const refused = (action: Promise<unknown>, code: number, type: string) => assert.rejects(action, { code, type });

/** The token in the last mail to somebody. */
async function tokenFor(t: { waitFor: (...args: never[]) => unknown }, email: string, mails = 1): Promise<string> {
  const waitFor = t.waitFor as (check: () => void, options: object) => Promise<void>;
  const own = () => smtp.mails.filter(({ to }) => to === email);
  await waitFor(() => assert.equal(own().length, mails), WAIT);
  const text = own().at(-1)?.text.replaceAll("=\n", "").replaceAll("=3D", "=") ?? "";
  return /token=([\w-]{43})/.exec(text)?.[1] ?? assert.fail(text);
}

async function join(t: Parameters<typeof tokenFor>[0], tenantId: string, email: string, roles: string[]) {
  await call("users.invite", { email, roles }, as(tenantId));
  const { userId } = await call("users.acceptInvitation", { token: await tokenFor(t, email), password: PASSWORD });
  return userId;
}

test("who is invited sets a password, signs in with it, and is a member with the roles of the invitation", async (t) => {
  const { id } = await call("users.invite", { email: "Ada@Example.org", roles: ["admin"] }, as("one"));
  assert.deepEqual(
    (await call("users.listInvitations", {}, as("one"))).items.map((one) => [one.id, one.email]),
    [[id, "ada@example.org"]],
  );
  assert.deepEqual((await call("users.listInvitations", {}, as("two"))).items, []);
  const token = await tokenFor(t, "ada@example.org");
  await refused(call("users.acceptInvitation", { token, password: "short" }), 422, "VALIDATION_ERROR");
  const account = await call("users.acceptInvitation", { token, name: "Ada", password: PASSWORD });
  assert.partialDeepStrictEqual(account, {
    ...{ email: "ada@example.org", name: "Ada", memberships: [{ tenantId: "one", roles: ["admin"] }] },
  });
  await refused(call("users.acceptInvitation", { token, password: PASSWORD }), 410, "LINK_EXPIRED");
  assert.deepEqual(await call("users.authenticate", { email: " ADA@example.org ", password: PASSWORD }), account);
  assert.deepEqual(await call("users.account", { userId: account.userId }), account);
  assert.partialDeepStrictEqual((await call("users.list", {}, as("one"))).items, [
    { id: account.userId, email: "ada@example.org", roles: ["admin"], status: "active" },
  ]);
  assert.deepEqual((await call("users.list", {}, as("two"))).items, []);
  await refused(call("users.get", { userId: account.userId }, as("two")), 404, "USER_NOT_FOUND");
});

test("of several who accept one invitation at once one does", async (t) => {
  await call("users.invite", { email: "race@example.org", roles: ["viewer"] }, as("race"));
  const token = await tokenFor(t, "race@example.org");
  const results = await Promise.allSettled(
    Array.from({ length: 5 }, () => call("users.acceptInvitation", { token, password: PASSWORD })),
  );
  assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
  assert.equal((await call("users.list", {}, as("race"))).items.length, 1);
});

for (const [what, part, method] of [
  ["before the user is made", "users", "admit"],
  ["before the link is ended", "links", "take"],
] as const)
  test(`an acceptance that is cut off ${what} is made up for by the next one`, async (t) => {
    const email = `cut-${method}@example.org`;
    await call("users.invite", { email, roles: ["viewer"] }, as("cut"));
    const token = await tokenFor(t, email);
    const own = (broker.getLocalService("users") as unknown as Record<string, Record<string, unknown>>)[part] ?? {};
    own[method] = async () => {
      throw new Error("cut off");
    };
    await assert.rejects(call("users.acceptInvitation", { token, password: PASSWORD }), /cut off/);
    delete own[method];
    await call("users.acceptInvitation", { token, password: PASSWORD });
    assert.equal((await call("users.authenticate", { email, password: PASSWORD })).email, email);
  });

test("an invitation that was taken back, or was followed by another, is no good any more", async (t) => {
  const email = "late@example.org";
  const { id } = await call("users.invite", { email, roles: ["viewer"] }, as("late"));
  const first = await tokenFor(t, email);
  await refused(call("users.revokeInvitation", { invitationId: id }, as("other")), 404, "INVITATION_NOT_FOUND");
  await call("users.revokeInvitation", { invitationId: id }, as("late"));
  await call("users.invite", { email, roles: ["viewer"] }, as("late"));
  const second = await tokenFor(t, email, 2);
  await call("users.invite", { email, roles: ["viewer"] }, as("late"));
  await tokenFor(t, email, 3);
  for (const token of [first, second, "x".repeat(43)])
    await refused(call("users.acceptInvitation", { token, password: PASSWORD }), 410, "LINK_EXPIRED");
});

test("who has an account gets into another tenant by its password only, and keeps it", async (t) => {
  const email = "both@example.org";
  const userId = await join(t, "left", email, ["viewer"]);
  await call("users.invite", { email, roles: ["owner"] }, as("right"));
  const token = await tokenFor(t, email, 2);
  await refused(call("users.acceptInvitation", { token, password: "another password" }), 401, "LOGIN_REFUSED");
  await call("users.acceptInvitation", { token, password: PASSWORD });
  const { memberships } = await call("users.authenticate", { email, password: PASSWORD });
  assert.deepEqual(memberships, [
    { tenantId: "left", roles: ["viewer"] },
    { tenantId: "right", roles: ["owner"] },
  ]);
  await call("users.update", { userId, status: "suspended" }, as("left"));
  assert.deepEqual((await call("users.account", { userId }))?.memberships, [{ tenantId: "right", roles: ["owner"] }]);
  await call("users.remove", { userId }, as("left"));
  assert.deepEqual((await call("users.account", { userId }))?.memberships, [{ tenantId: "right", roles: ["owner"] }]);
});

test("a tenant keeps an administrator", async (t) => {
  const userId = await join(t, "kept", "only@example.org", ["admin"]);
  for (const change of [{ roles: ["viewer"] }, { status: "suspended" }] as const)
    await refused(
      call("users.update", { userId, ...change } as { userId: string }, as("kept")),
      409,
      "LAST_ADMINISTRATOR",
    );
  await refused(call("users.remove", { userId }, as("kept")), 409, "LAST_ADMINISTRATOR");
  await join(t, "kept", "second@example.org", ["owner"]);
  await call("users.remove", { userId }, as("kept"));
  assert.equal(await call("users.account", { userId }), null);
});

test("a password is set anew by a link, once; of an unknown address nothing is told or sent", async (t) => {
  const email = "forgetful@example.org";
  await join(t, "reset", email, ["viewer"]);
  await call("users.requestPasswordReset", { email: "nobody@example.org" });
  await call("users.requestPasswordReset", { email });
  const token = await tokenFor(t, email, 2);
  await refused(call("users.acceptInvitation", { token, password: PASSWORD }), 410, "LINK_EXPIRED");
  await call("users.resetPassword", { token, password: "a new and long one" });
  await refused(call("users.resetPassword", { token, password: "a third and long one" }), 410, "LINK_EXPIRED");
  await refused(call("users.authenticate", { email, password: PASSWORD }), 401, "LOGIN_REFUSED");
  assert.equal((await call("users.authenticate", { email, password: "a new and long one" })).email, email);
  assert.deepEqual(
    smtp.mails.filter(({ to }) => to === "nobody@example.org"),
    [],
  );
});

test("failed logins are limited for an account from an address; what succeeds does not count, another address may", async (t) => {
  const email = "guessed@example.org";
  await join(t, "limits", email, ["viewer"]);
  const login = (password: string, address: string) => call("users.authenticate", { email, password, address });
  for (let n = 0; n < 5; n++) assert.equal((await login(PASSWORD, "192.0.2.1")).email, email);
  for (let n = 0; n < 3; n++) await refused(login("wrong", "192.0.2.1"), 401, "LOGIN_REFUSED");
  await assert.rejects(login(PASSWORD, "192.0.2.1"), (error: { code: number; data: { retryAfterSeconds: number } }) => {
    assert.equal(error.code, 429);
    assert.ok(error.data.retryAfterSeconds > 800 && error.data.retryAfterSeconds <= 900);
    return true;
  });
  assert.equal((await login(PASSWORD, "192.0.2.2")).email, email);
  const guesses = await Promise.allSettled(Array.from({ length: 20 }, () => login("wrong", "192.0.2.3")));
  const codes = guesses.map((guess) => (guess.status === "rejected" ? (guess.reason as { code: number }).code : 0));
  assert.equal(codes.filter((code) => code === 401).length, 3);
});

test("a tenant is made with an invitation for its owner; suspended, nobody is anything in it", async (t) => {
  const made = await call("users.createTenant", { id: "acme", name: "Acme", admin: "boss@example.org" });
  assert.partialDeepStrictEqual(made, { id: "acme", name: "Acme", status: "active" });
  await refused(call("users.createTenant", { id: "acme", admin: "boss@example.org" }), 409, "TENANT_EXISTS");
  await refused(call("users.updateTenant", { tenantId: "nowhere", name: "x" }), 404, "TENANT_NOT_FOUND");
  const token = await tokenFor(t, "boss@example.org");
  const { userId, memberships } = await call("users.acceptInvitation", { token, password: PASSWORD });
  assert.deepEqual(memberships, [{ tenantId: "acme", roles: ["owner"] }]);
  await call("users.updateTenant", { tenantId: "acme", status: "suspended" });
  assert.deepEqual((await call("users.account", { userId }))?.memberships, []);
  await call("users.updateTenant", { tenantId: "acme", status: "active" });
  assert.equal((await call("users.account", { userId }))?.memberships.length, 1);
  assert.deepEqual(
    (await call("users.listTenants", {})).items.map(({ id }) => id),
    ["acme", "default"],
  );
});
