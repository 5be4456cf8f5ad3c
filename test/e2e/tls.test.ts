import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:tls";
import mqtt from "mqtt";
import { makeCertificate } from "../support/certificate.ts";
import { startPlatform } from "../support/platform.ts";
import { restClient } from "../support/rest.ts";

const ask = (url: string, ca: Buffer) =>
  new Promise<number | undefined>((resolve, reject) => {
    request(url, { ca }, (response) => resolve(response.resume().statusCode))
      .on("error", reject)
      .end();
  });

const shownBy = (url: string) =>
  new Promise<string>((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    }).once("error", reject);
  });

test("with a certificate there is HTTPS, MQTT over TLS and WebSocket over TLS, all on the ready line; SIGHUP reads it again", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-tls-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const { certFile, keyFile } = makeCertificate(folder);
  const ca = readFileSync(certFile);
  const platform = await startPlatform({ env: { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } });
  try {
    assert.deepEqual(Object.keys(platform.urls).sort(), ["http", "https", "mqtt", "mqtts", "ws", "wss"]);
    if (platform.pids.length === 1)
      assert.match(platform.output(), /^ready http:\S+ https:\S+ mqtt:\S+ mqtts:\S+ ws:\S+ wss:\S+$/m);
    assert.equal(await ask(`${platform.urls["https"]}/health/ready`, ca), 200);
    const rest = restClient(platform.http);
    await rest.register("tls-1");
    const password = await rest.credential("tls-1");
    for (const scheme of ["mqtts", "wss"]) {
      const url = String(platform.urls[scheme]).replace("127.0.0.1", "localhost");
      const client = await mqtt.connectAsync(url, { ca, username: "tls-1", password, reconnectPeriod: 0 });
      await client.publishAsync("devices/me/telemetry", '{"n":1}', { qos: 1 });
      await client.endAsync();
    }
    makeCertificate(folder, "renewed");
    for (const pid of platform.pids) process.kill(pid, "SIGHUP");
    for (const scheme of ["https", "mqtts", "wss"])
      for (const deadline = Date.now() + 10_000; ; await sleep(20)) {
        const name = await shownBy(String(platform.urls[scheme]));
        if (name === "renewed") break;
        assert.ok(Date.now() < deadline, `${scheme} still shows ${name}`);
      }
  } finally {
    const { code } = await platform.stop();
    assert.equal(code, 0);
  }
});

for (const [what, env, message] of [
  [
    "a certificate without its key",
    { TLS_CERT_FILE: "cert.pem" },
    /TLS_CERT_FILE, TLS_KEY_FILE: one without the other/,
  ],
  [
    "a certificate that is not there",
    { TLS_CERT_FILE: "/nowhere/cert.pem", TLS_KEY_FILE: "/nowhere/key.pem" },
    /TLS_CERT_FILE \/nowhere\/cert.pem cannot be used/,
  ],
] as const)
  test(`the platform does not start with ${what}, and says so`, async () => {
    await assert.rejects(startPlatform({ env }), message);
  });
