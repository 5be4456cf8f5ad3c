import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import deadLetters from "../../services/dead-letters/dead-letters.service.ts";
import mail from "../../services/mail/mail.service.ts";
import { startBroker } from "../support/broker.ts";
import { startSmtp } from "../support/smtp.ts";

const WAIT = { timeout: 15_000 };
const MAIL = { to: "ada@example.org", subject: "Grüße", text: "Guten Tag,\n\nhttps://example.org/x?token=abc\n" };

async function mailing(t: TestContext, url: string) {
  const { broker, call, stop } = await startBroker([mail, deadLetters], { SMTP_URL: url });
  t.after(stop);
  return { send: () => broker.publish("mail.requested", MAIL), call };
}

test("a mail is handed to the server once, as it is", async (t) => {
  const smtp = await startSmtp();
  t.after(smtp.stop);
  const { send } = await mailing(t, smtp.url);
  await send();
  await t.waitFor(() => assert.equal(smtp.mails.length, 1), WAIT);
  const [{ to, text }] = smtp.mails as [{ to: string; text: string }];
  assert.equal(to, MAIL.to);
  assert.match(text, /^From: Ganglion <ganglion@localhost>$/m);
  assert.match(text, /^Subject: =\?UTF-8\?Q\?Gr=C3=BC=C3=9Fe\?=$/m);
  assert.match(text, /x\?token=(3D)?abc/);
});

test("while the server is away mails wait, and are sent when it is back", async (t) => {
  const first = await startSmtp();
  await first.stop();
  const { send } = await mailing(t, first.url);
  for (let n = 0; n < 3; n++) await send();
  const smtp = await startSmtp({ port: first.port });
  t.after(smtp.stop);
  await t.waitFor(() => assert.equal(smtp.mails.length, 3), { timeout: 60_000 });
});

test("a mail that the server refuses for good is a dead letter with what it said", async (t) => {
  const smtp = await startSmtp({ refusal: "550 no such user here" });
  t.after(smtp.stop);
  const { send, call } = await mailing(t, smtp.url);
  await send();
  const meta = { meta: { tenantId: "" } };
  await t.waitFor(async () => {
    const { items } = await call("dead-letters.list", {}, meta);
    assert.partialDeepStrictEqual(items, [{ channel: "mail.requested", cause: "rejected" }]);
    assert.match(items[0]?.error.message ?? "", /550 no such user here/);
  }, WAIT);
  assert.deepEqual(smtp.mails, []);
});
