import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import mqttPacket from "mqtt-packet";
import { WebSocket } from "ws";
import { connectPacket, publishPacket, Rig, type StartEdge, WAIT } from "./subject.ts";

export function webSocket(start: StartEdge): void {
  test("a plain HTTP request to the WebSocket port is told to upgrade", async (t) => {
    const rig = await Rig.start(t, start);
    const status = await new Promise((resolve, reject) => {
      request(rig.url("ws").replace("ws:", "http:"), ({ statusCode }) => resolve(statusCode))
        .on("error", reject)
        .end();
    });
    assert.equal(status, 426);
  });

  test("a WebSocket that does not offer the subprotocol mqtt is refused (MQTT-6.0.0-3)", async (t) => {
    const rig = await Rig.start(t, start);
    const outcome = await new Promise((resolve) => {
      const socket = new WebSocket(rig.url("ws"));
      socket.on("error", (error) => resolve(error.message));
      socket.on("open", () => resolve("open"));
    });
    assert.match(String(outcome), /400/);
  });

  test("a WebSocket that sends text is closed, and nothing of it is taken (MQTT-6.0.0-1)", async (t) => {
    const rig = await Rig.start(t, start);
    const socket = new WebSocket(rig.url("ws"), "mqtt");
    const answered: Buffer[] = [];
    await new Promise((resolve, reject) => {
      socket.on("error", reject);
      socket.on("close", resolve);
      socket.on("message", (data) => answered.push(data as Buffer));
      socket.on("open", () => {
        socket.send(mqttPacket.generate(connectPacket(4)));
        socket.once("message", () =>
          // A PUBLISH that is valid UTF-8, and so could be a text.
          socket.send(mqttPacket.generate(publishPacket(1, "text")).toString(), { binary: false }),
        );
      });
    });
    await t.waitFor(() => assert.equal(rig.edge.connections, 0), WAIT);
    assert.equal(Buffer.concat(answered).length, 4, "CONNACK alone");
    assert.deepEqual(rig.platform.texts, []);
  });
}
