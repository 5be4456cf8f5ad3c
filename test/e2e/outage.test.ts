import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { IConnackPacket } from "mqtt-packet";
import { RawClient } from "../ports/mqtt-edge/suite/raw-client.ts";
import { connectPacket, kept, nameOf, publishPacket, VERSIONS } from "../ports/mqtt-edge/suite/subject.ts";
import { startPlatform } from "../support/platform.ts";
import { restClient } from "../support/rest.ts";

const broken = `--import=${new URL("./break-commits.ts", import.meta.url).href}`;

test("while the disk is full nothing is acknowledged and nobody let in; then it goes on by itself, and nothing is lost", async () => {
  const platform = await startPlatform({ nodeOptions: [broken], env: { LOG_LEVEL: "fatal" } });
  const full = join(platform.dataDir, "FULL");
  try {
    const rest = restClient(platform.http);
    for (const version of VERSIONS) {
      const id = `full-${version}`;
      await rest.register(id);
      const password = Buffer.from(await rest.credential(id));
      const connect = async () => {
        const client = new RawClient(platform.mqtt, version);
        client.send(connectPacket(version, { ...kept(version), username: id, password }));
        const { reasonCode, returnCode } = (await client.next()) as IConnackPacket;
        return { client, code: reasonCode ?? returnCode };
      };
      const message = (n: number, dup = false) =>
        publishPacket(n, `{"n":${n}}`, { topic: "devices/me/telemetry", qos: n === 2 ? 2 : 1, dup });
      const { client } = await connect();
      client.send(message(1));
      assert.deepEqual(await client.answers(1), ["puback 1"]);
      writeFileSync(full, "");
      client.send(message(2), message(3));
      const end = version === 5 ? ["disconnect 0x89", "closed"] : ["closed"];
      assert.deepEqual(await client.answers(end.length), end, nameOf(version));
      assert.equal((await connect()).code, version === 5 ? 0x88 : 3);
      rmSync(full);
      const resumed = await connect();
      assert.equal(resumed.code, 0);
      resumed.client.send(message(2, true), message(3, true));
      assert.deepEqual((await resumed.client.answers(2)).sort(), ["puback 3", "pubrec 2"]);
      resumed.client.cut();
      let values: unknown[] = [];
      for (const deadline = Date.now() + 10_000; values.length < 3 && Date.now() < deadline; await sleep(50))
        values = (await rest.readings(id)).map((reading) => reading.values["n"]);
      assert.deepEqual(values.sort(), [1, 2, 3], nameOf(version));
    }
  } finally {
    await platform.stop();
  }
});
