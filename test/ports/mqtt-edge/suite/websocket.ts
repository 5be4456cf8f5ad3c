import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import { WebSocket } from "ws";
import { Rig, type StartEdge, WAIT } from "./subject.ts";

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

  test("a WebSocket that sends text is closed (MQTT-6.0.0-1)", async (t) => {
    const rig = await Rig.start(t, start);
    const socket = new WebSocket(rig.url("ws"), "mqtt");
    await new Promise((resolve, reject) => {
      socket.on("error", reject);
      socket.on("close", resolve);
      socket.on("open", () => socket.send("text"));
    });
    await t.waitFor(() => assert.equal(rig.edge.connections, 0), WAIT);
  });
}
