import assert from "node:assert/strict";
import { test } from "node:test";
import type { AcknowledgeOrder } from "../../../services/mqtt-bridge/edge/acknowledge.ts";
import { EmbeddedEdge } from "../../../services/mqtt-bridge/edge/embedded-edge.ts";
import { publishPacket, Rig, type StartEdge, WAIT } from "./suite/subject.ts";
import { mqttEdgeSuite } from "./suite.ts";

const start: StartEdge = (policy, options) => EmbeddedEdge.start(policy, options);

mqttEdgeSuite({
  name: "embedded broker",
  own: start,
  capabilities: {
    "mqtt-5": true,
    "shared-subscriptions": false,
    "http-authentication": false,
    kick: true,
    presence: true,
    "durable-acknowledgement": true,
  },
  async open(t, platform) {
    let edge: EmbeddedEdge | undefined;
    t.after(() => edge?.close());
    return {
      url: () => edge?.listening[0] ?? "",
      async start(options = {}) {
        edge = await EmbeddedEdge.start(platform, { port: 0, wsPort: 0, ...options });
        return edge;
      },
      topic: (_device, topic) => topic,
      revoke: () => {},
    };
  },
});

test("control: an edge that acknowledges before the commit is found out by the same look at the wire", async (t) => {
  const acknowledgeOrder: AcknowledgeOrder = (commit, acknowledge) => {
    acknowledge(undefined);
    commit().catch(() => {});
  };
  const rig = await Rig.start(t, start, { acknowledgeOrder });
  rig.platform.hold = true;
  const client = await rig.connect(4);
  client.send(publishPacket(7, "a"));
  await t.waitFor(() => assert.equal(rig.platform.held.length, 1), WAIT);
  assert.deepEqual(await client.early(), ["puback 7"]);
});
