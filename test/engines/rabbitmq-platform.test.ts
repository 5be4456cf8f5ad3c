import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { makeCertificate } from "../support/certificate.ts";
import { freePort } from "../support/engines/process.ts";
import { startRabbitMq } from "../support/engines/rabbitmq.ts";
import { startPlatform } from "../support/platform.ts";

const WAIT = { timeout: 20_000 };

test("the platform on RabbitMQ over TLS is ready; not while RabbitMQ is away, which it says; and it stops without it", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "rabbitmq-tls-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const { certFile, keyFile } = makeCertificate(dir);
  const tlsPort = await freePort();
  const server = await startRabbitMq(
    [
      `listeners.ssl.default = 127.0.0.1:${tlsPort}`,
      ...[`ssl_options.certfile = ${certFile}`, `ssl_options.keyfile = ${keyFile}`, "ssl_options.verify = verify_none"],
    ].join("\n"),
  );
  t.after(() => server.dispose());
  const url = `amqps://guest:guest@localhost:${tlsPort}`;
  const platform = await startPlatform({ env: { RABBITMQ_URL: url, NODE_EXTRA_CA_CERTS: certFile } });
  t.after(() => platform.kill());
  const ready = async () => {
    const response = await fetch(`${platform.http}/health/ready`);
    return { status: response.status, text: await response.text() };
  };
  assert.equal((await ready()).status, 200);
  await server.kill();
  await t.waitFor(async () => {
    const { status, text } = await ready();
    assert.equal(status, 503);
    assert.match(text, /work channel: RabbitMQ: /);
    assert.doesNotMatch(text, /guest/);
  }, WAIT);
  await server.start();
  await t.waitFor(async () => assert.equal((await ready()).status, 200), WAIT);
  await server.kill();
  await t.waitFor(async () => assert.equal((await ready()).status, 503), WAIT);
  const asked = performance.now();
  assert.equal((await platform.stop()).code, 0);
  assert.ok(performance.now() - asked < 10_000);
  assert.doesNotMatch(platform.output(), /guest:guest/);
});

test("a certificate that nobody has vouched for is refused", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "rabbitmq-tls-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const { certFile, keyFile } = makeCertificate(dir);
  const tlsPort = await freePort();
  const server = await startRabbitMq(
    `listeners.ssl.default = 127.0.0.1:${tlsPort}\nssl_options.certfile = ${certFile}\nssl_options.keyfile = ${keyFile}\n`,
  );
  t.after(() => server.dispose());
  const platform = await startPlatform({ env: { RABBITMQ_URL: `amqps://guest:guest@localhost:${tlsPort}` } });
  t.after(() => platform.kill());
  const text = await (await fetch(`${platform.http}/health/ready`)).text();
  assert.match(text, /work channel: RabbitMQ: .*self-signed certificate/);
});
