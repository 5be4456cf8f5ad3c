import assert from "node:assert/strict";
import { test } from "node:test";
import type { IPublishPacket } from "mqtt-packet";
import { RawClient } from "../ports/mqtt-edge/suite/raw-client.ts";
import { connectPacket, kept, nameOf, subscribePacket, VERSIONS } from "../ports/mqtt-edge/suite/subject.ts";
import { startPlatform } from "../support/platform.ts";
import { restClient } from "../support/rest.ts";

const TOPIC = "devices/me/config";

test("a configuration set over REST reaches the device: retained on subscribing, live, and after it was away over a kill", async () => {
  let platform = await startPlatform();
  const { dataDir } = platform;
  try {
    for (const version of VERSIONS) {
      const rest = restClient(platform.http);
      const id = `config-${version}`;
      await rest.register(id);
      const password = Buffer.from(await rest.credential(id));
      const connect = async () => {
        const client = new RawClient(platform.mqtt, version);
        client.send(connectPacket(version, { ...kept(version), username: id, password }));
        assert.deepEqual(await client.answers(1), ["connack"], nameOf(version));
        return client;
      };
      const set = (seconds: number) =>
        restClient(platform.http).request("PUT", `/v1/devices/${id}/config`, { config: { seconds } });
      const next = async (client: RawClient) => {
        const { topic, payload, retain, messageId } = (await client.next()) as IPublishPacket;
        client.send({ cmd: "puback", messageId: messageId as number });
        return { topic, retain, ...(JSON.parse(String(payload)) as object) };
      };
      await set(10);
      const client = await connect();
      client.send(subscribePacket(1, TOPIC));
      assert.deepEqual(await client.answers(1), ["suback 1"]);
      const first = { topic: TOPIC, retain: true, version: 1, config: { seconds: 10 } };
      assert.deepEqual(await next(client), first);
      await set(20);
      assert.deepEqual(await next(client), { topic: TOPIC, retain: false, version: 2, config: { seconds: 20 } });
      client.send({ cmd: "disconnect" });
      assert.equal(await client.next(), "closed");
      await set(30);
      // The hint is on its way when REST answers: the queue holds it when the device could have had it.
      await new Promise((resolve) => setTimeout(resolve, 500));
      await platform.kill("SIGKILL");
      platform = await startPlatform({ dataDir });
      const resumed = await connect();
      assert.deepEqual(await next(resumed), { topic: TOPIC, retain: false, version: 3, config: { seconds: 30 } });
      resumed.cut();
    }
  } finally {
    await platform.stop();
  }
});

for (const version of VERSIONS)
  test(`${nameOf(version)}: a configuration that was stored when the platform was killed, before any edge knew of it, comes with the session, once`, async (t) => {
    const support = new URL("../support/killed-before-hint.ts", import.meta.url).href;
    let platform = await startPlatform({ nodeOptions: [`--import=${support}`] });
    t.after(() => platform.kill());
    const rest = restClient(platform.http);
    await rest.register("d");
    const password = Buffer.from(await rest.credential("d"));
    const connect = async () => {
      const client = new RawClient(platform.mqtt, version);
      client.send(connectPacket(version, { ...kept(version), username: "d", password }));
      assert.deepEqual(await client.answers(1), ["connack"]);
      return client;
    };
    const next = async (client: RawClient) => {
      const { payload, messageId } = (await client.next()) as IPublishPacket;
      client.send({ cmd: "puback", messageId: messageId as number });
      return JSON.parse(String(payload)) as object;
    };
    await rest.request("PUT", "/v1/devices/d/config", { config: { seconds: 10 } });
    const client = await connect();
    client.send(subscribePacket(1, TOPIC));
    assert.deepEqual(await client.answers(1), ["suback 1"]);
    assert.deepEqual(await next(client), { version: 1, config: { seconds: 10 } });
    client.send({ cmd: "disconnect" });
    assert.equal(await client.next(), "closed");
    const put = rest.request("PUT", "/v1/devices/d/config", { config: { seconds: 20 } });
    await assert.rejects(put);
    await platform.kill();

    platform = await startPlatform({ dataDir: platform.dataDir });
    const resumed = await connect();
    assert.deepEqual(await next(resumed), { version: 2, config: { seconds: 20 } });
    resumed.send({ cmd: "disconnect" });
    assert.equal(await resumed.next(), "closed");
    const again = await connect();
    assert.deepEqual(await again.early(), [], "it has it");
    again.cut();
  });
