import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connect } from "node:tls";
import type { EdgeOptions } from "../../../../services/mqtt-bridge/edge/edge-options.ts";
import { makeCertificate } from "../../../support/certificate.ts";
import { nameOf, publishPacket, Rig, type StartEdge, VERSIONS } from "./subject.ts";

function certificate(t: TestContext, name = "localhost") {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-tls-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return makeCertificate(folder, name);
}

/** The name in the certificate that a port shows. */
function shownBy(url: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    }).once("error", reject);
  });
}

export function tls(start: StartEdge): void {
  for (const scheme of ["mqtts", "wss"] as const) {
    for (const version of VERSIONS)
      test(`${nameOf(version)} over ${scheme}: a device with its password gets in, and its telemetry through`, async (t) => {
        const rig = await Rig.start(t, start, { tls: certificate(t) });
        const client = await rig.mqttJs(version, { rejectUnauthorized: false }, scheme);
        await client.publishAsync("devices/me/telemetry", "secret", { qos: 1 });
        assert.deepEqual(rig.platform.texts, ["secret"]);
      });

    test(`${scheme}: what is no TLS harms nobody else`, async (t) => {
      const rig = await Rig.start(t, start, { tls: certificate(t) });
      const plain = rig.open(4, "mqtt");
      const { port } = new URL(rig.url(scheme));
      const { connect: connectTcp } = await import("node:net");
      const socket = connectTcp(Number(port), "127.0.0.1");
      socket.on("error", () => {});
      socket.end("this is no ClientHello at all, is it?");
      await new Promise((resolve) => socket.once("close", resolve));
      plain.cut();
      const client = await rig.connect(4);
      client.send(publishPacket(1, "a"));
      assert.deepEqual(await client.answers(1), ["puback 1"]);
    });

    test(`${scheme}: a renewed certificate is shown after it was read again`, async (t) => {
      const [first, second] = [certificate(t, "first"), certificate(t, "second")];
      const rig = await Rig.start(t, start, { tls: first });
      assert.equal(await shownBy(rig.url(scheme)), "first");
      copyFileSync(second.certFile, first.certFile);
      assert.throws(() => rig.edge.reloadCertificate(), /TLS_KEY_FILE .* is not the key of TLS_CERT_FILE/);
      assert.equal(await shownBy(rig.url(scheme)), "first");
      copyFileSync(second.keyFile, first.keyFile);
      rig.edge.reloadCertificate();
      assert.equal(await shownBy(rig.url(scheme)), "second");
    });
  }

  const wrong: [string, (files: { certFile: string; keyFile: string }) => EdgeOptions["tls"], RegExp][] = [
    [
      "that is missing",
      (files) => ({ ...files, certFile: "/nowhere" }),
      /^Error: TLS_CERT_FILE \/nowhere cannot be used/,
    ],
    [
      "whose key is no key",
      ({ certFile }) => ({ certFile, keyFile: certFile }),
      /^Error: TLS_KEY_FILE .* cannot be used/,
    ],
  ];
  for (const [what, tlsOf, message] of wrong)
    test(`an edge with a certificate ${what} does not start, and says which file is wrong`, async (t) => {
      await assert.rejects(Rig.start(t, start, { tls: tlsOf(certificate(t)) }), message);
    });
}
