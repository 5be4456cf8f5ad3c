import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { kafkaBrokers } from "../../lib/channels/kafka/kafka-brokers.ts";
import { KafkaFactsAdapter } from "../../lib/channels/kafka/kafka-facts.ts";
import { consumingBroker } from "../ports/facts-channel/consuming-broker.ts";
import { makeCertificate } from "../support/certificate.ts";
import { startKafka } from "../support/engines/kafka.ts";

const PASSWORD = "s3cret:/?@";

let folder: string;
let certFile: string;
let kafka: Awaited<ReturnType<typeof startKafka>>;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "ganglion-kafka-tls-"));
  const files = makeCertificate(folder);
  ({ certFile } = files);
  kafka = await startKafka({ secure: { ...files, user: "alice", password: PASSWORD } });
});
after(async () => {
  await kafka.dispose();
  rmSync(folder, { recursive: true });
});

/** A URL as KAFKA_BROKERS has it. */
const url = (password: string, query: string) =>
  `kafka://alice:${encodeURIComponent(password)}@localhost:${kafka.securePort}?mechanism=scram-sha-256&${query}`;

async function started(t: TestContext, text: string, handler = (_payload: never) => {}) {
  const adapter = new KafkaFactsAdapter({ where: kafkaBrokers(text), prefix: randomUUID() });
  const broker = await consumingBroker(adapter, { readings: [{ group: "store", handler }] });
  t.after(() => broker.stop());
  return broker;
}

test("with TLS and a password messages are published and consumed", async (t) => {
  const seen: unknown[] = [];
  const broker = await started(t, url(PASSWORD, `tls=true&ca=${certFile}`), (payload) => seen.push(payload));
  await broker.publish("readings", { n: 1 }, { key: "k" });
  await t.waitFor(() => assert.deepEqual(seen, [{ n: 1 }]), { timeout: 15_000 });
});

test("a wrong password ends the start, naming the variable and not the password", async (t) => {
  await assert.rejects(started(t, url("wr0ng", `tls=true&ca=${certFile}`)), ({ message }: Error) => {
    assert.match(message, /^KAFKA_BROKERS: .*SASL/);
    assert.doesNotMatch(message, /wr0ng/);
    return true;
  });
});

test("a file that is not there ends the start, naming it", async (t) => {
  await assert.rejects(started(t, url(PASSWORD, "tls=true&ca=/nowhere.pem")), /KAFKA_BROKERS: \/nowhere\.pem/);
});
