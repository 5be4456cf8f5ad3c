import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { Authority } from "../../services/mqtt-bridge/broker-auth/authority.ts";
import { AuthListener } from "../../services/mqtt-bridge/broker-auth/listener.ts";
import type { DeviceKey } from "../../services/mqtt-bridge/edge/edge-policy.ts";
import { Platform, SECRET } from "../ports/mqtt-edge/suite/platform.ts";

const BROKER = "a-secret-of-the-broker";
const BRIDGE = { username: "ganglion", password: "bridge-secret" };

type Fields = Record<string, string | number>;

/** A listener in front of a registry of its own. */
async function listening(t: TestContext, { secret = BROKER as string | undefined } = {}) {
  const platform = new Platform();
  const subscribing: string[] = [];
  const failures: unknown[] = [];
  const told = ({ tenantId, deviceId }: DeviceKey, filter: string) =>
    subscribing.push(`${tenantId}/${deviceId} ${filter}`);
  const listener = await AuthListener.open(new Authority(platform, BRIDGE, told), {
    ...{ host: "127.0.0.1", port: 0, failed: (error) => failures.push(error) },
    ...(secret === undefined ? {} : { secret }),
  });
  t.after(() => listener.close());
  const base = secret === undefined ? listener.url : `${listener.url}/${secret}`;
  const sent = async (path: string, init: RequestInit) => {
    const response = await fetch(`${base}${path}`, init);
    return { status: response.status, text: await response.text() };
  };
  return {
    ...{ platform, subscribing, failures, url: listener.url },
    form: (path: string, fields: Fields) =>
      sent(path, { method: "POST", body: new URLSearchParams(fields as Record<string, string>) }),
    json: (path: string, fields: unknown) =>
      sent(path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: typeof fields === "string" ? fields : JSON.stringify(fields),
      }),
    get: (path: string, fields: Fields) =>
      sent(`${path}?${new URLSearchParams(fields as Record<string, string>)}`, { method: "GET" }),
  };
}

/** Who may connect, whatever the broker. `one` and `two` have a device of the same id. */
const CONNECTS: [what: string, fields: Fields, allowed: boolean][] = [
  ["a device of tenant default by its id", { username: "boiler-7", password: SECRET, id: "boiler-7" }, true],
  ["a device of tenant one", { username: "one/boiler-7", password: SECRET, id: "one/boiler-7" }, true],
  ["a device of tenant two with the same id", { username: "two/boiler-7", password: SECRET, id: "two/boiler-7" }, true],
  ["with more behind the client id", { username: "one/boiler-7", password: SECRET, id: "one/boiler-7@2" }, true],
  ["with another tenant's client id", { username: "one/boiler-7", password: SECRET, id: "two/boiler-7" }, false],
  ["with a client id that begins alike", { username: "boiler-7", password: SECRET, id: "boiler-70" }, false],
  ["with a wrong password", { username: "boiler-7", password: "wrong", id: "boiler-7" }, false],
  ["without a password", { username: "boiler-7", password: "", id: "boiler-7" }, false],
  ["without a user name", { username: "", password: SECRET, id: "boiler-7" }, false],
  ["with a user name of three parts", { username: "a/b/c", password: SECRET, id: "a/b/c" }, false],
];

/** What `one/boiler-7` may publish to, at the broker. */
const PUBLISHES: [topic: string, allowed: boolean][] = [
  ["one/devices/boiler-7/telemetry", true],
  ["one/devices/boiler-7/status", true],
  ["two/devices/boiler-7/telemetry", false],
  ["one/devices/boiler-8/telemetry", false],
  ["one/devices/me/telemetry", false],
  ["devices/boiler-7/telemetry", false],
  ["one/devices/boiler-7/config", false],
  ["one/devices/boiler-7/telemetry/x", false],
  ["$SYS/broker", false],
];

/** What it may subscribe to. */
const SUBSCRIBES: [filter: string, allowed: boolean][] = [
  ["one/devices/boiler-7/config", true],
  ["one/devices/boiler-7/commands/#", true],
  ["two/devices/boiler-7/config", false],
  ["one/devices/boiler-8/config", false],
  ["one/devices/me/config", false],
  ["one/devices/+/config", false],
  ["+/devices/boiler-7/config", false],
  ["#", false],
  ["one/#", false],
  ["one/devices/boiler-7/telemetry", false],
  ["$share/ganglion/+/devices/+/telemetry", false],
];

describe("EMQX", () => {
  const result = (allowed: boolean) => ({ status: 200, text: `{"result":"${allowed ? "allow" : "deny"}"}` });

  for (const [what, { id, ...fields }, allowed] of CONNECTS)
    test(`a connection ${what} is ${allowed ? "allowed" : "denied"}`, async (t) => {
      const { json } = await listening(t);
      assert.deepEqual(await json("/emqx/authentication", { ...fields, clientid: id }), result(allowed));
    });

  test("the bridge's own user is let in by its password, and to every topic", async (t) => {
    const { json } = await listening(t);
    const connect = (password: string) =>
      json("/emqx/authentication", { username: "ganglion", password, clientid: "ganglion-1" });
    assert.deepEqual(await connect("bridge-secret"), result(true));
    assert.deepEqual(await connect(SECRET), result(false));
    const topic = "$share/g/+/devices/+/telemetry";
    assert.deepEqual(
      await json("/emqx/authorization", { username: "ganglion", topic, action: "subscribe" }),
      result(true),
    );
  });

  test("a device publishes and subscribes to its own topics, and no others", async (t) => {
    const { json } = await listening(t);
    const ask = (action: string, topic: string) =>
      json("/emqx/authorization", { username: "one/boiler-7", clientid: "one/boiler-7", topic, action });
    for (const [topic, allowed] of PUBLISHES) assert.deepEqual(await ask("publish", topic), result(allowed), topic);
    for (const [filter, allowed] of SUBSCRIBES)
      assert.deepEqual(await ask("subscribe", filter), result(allowed), filter);
  });

  test("while the registry does not answer everything is denied, in the form that EMQX takes for an answer", async (t) => {
    const { json, platform, failures } = await listening(t);
    platform.check = async () => {
      throw new Error("no registry");
    };
    const fields = { username: "boiler-7", password: SECRET, clientid: "boiler-7" };
    assert.deepEqual(await json("/emqx/authentication", fields), result(false));
    assert.equal(failures.length, 1);
  });
});

describe("mosquitto-go-auth", () => {
  const result = (allowed: boolean) => ({
    status: allowed ? 200 : 403,
    text: `{"Ok":${allowed},"Error":"${allowed ? "" : "not allowed"}"}`,
  });

  for (const [what, { id, ...fields }, allowed] of CONNECTS)
    test(`a connection ${what} is ${allowed ? "allowed" : "denied"}, asked by form or JSON`, async (t) => {
      const { form, json } = await listening(t);
      const asked = { ...fields, clientid: id as string };
      assert.deepEqual(await form("/go-auth/user", asked), result(allowed));
      assert.deepEqual(await json("/go-auth/user", asked), result(allowed));
    });

  test("the bridge alone is a superuser", async (t) => {
    const { form } = await listening(t);
    assert.deepEqual(await form("/go-auth/superuser", { username: "ganglion" }), result(true));
    assert.deepEqual(await form("/go-auth/superuser", { username: "one/boiler-7" }), result(false));
  });

  test("each kind of access is answered by its own rule", async (t) => {
    const { json } = await listening(t);
    const ask = (acc: number, topic: string) =>
      json("/go-auth/acl", { username: "one/boiler-7", clientid: "one/boiler-7", topic, acc });
    for (const [topic, allowed] of PUBLISHES) assert.deepEqual(await ask(2, topic), result(allowed), topic);
    for (const [filter, allowed] of SUBSCRIBES) assert.deepEqual(await ask(4, filter), result(allowed), filter);
    const reads: [topic: string, allowed: boolean][] = [
      ["one/devices/boiler-7/config", true],
      ["one/devices/boiler-7/commands/17/reboot", true],
      ["two/devices/boiler-7/commands/17/reboot", false],
      ["one/devices/boiler-8/config", false],
      ["one/devices/boiler-7/telemetry", false],
    ];
    for (const [topic, allowed] of reads) assert.deepEqual(await ask(1, topic), result(allowed), topic);
    assert.deepEqual(await ask(3, "one/devices/boiler-7/config"), result(false));
    assert.deepEqual(await ask(9, "one/devices/boiler-7/config"), result(false));
  });
});

describe("RabbitMQ", () => {
  const result = (allowed: boolean) => ({ status: 200, text: allowed ? "allow" : "deny" });

  for (const [what, { id, ...fields }, allowed] of CONNECTS)
    test(`a connection ${what} is ${allowed ? "allowed" : "denied"}, asked by form or query`, async (t) => {
      const { form, get } = await listening(t);
      const asked = { ...fields, vhost: "/", client_id: id as string };
      assert.deepEqual(await form("/rabbitmq/user", asked), result(allowed));
      assert.deepEqual(await get("/rabbitmq/user", asked), result(allowed));
    });

  test("a device whose id has a dot is refused: its topics could not be told from others'", async (t) => {
    const { form } = await listening(t);
    const username = "one/a.commands";
    for (const path of ["user", "vhost", "resource", "topic"])
      assert.deepEqual(
        await form(`/rabbitmq/${path}`, {
          ...{ username, password: SECRET, client_id: username, vhost: "/", permission: "write" },
          ...{ resource: path === "topic" ? "topic" : "exchange", name: "amq.topic" },
          routing_key: "one.devices.a.commands.telemetry",
        }),
        result(false),
        path,
      );
  });

  test("a device uses the plugin's exchange and the queues of its own client ids, and nothing else", async (t) => {
    const { form } = await listening(t);
    const ask = (resource: string, name: string, permission: string) =>
      form("/rabbitmq/resource", { username: "one/boiler-7", vhost: "/", resource, name, permission });
    const asked: [resource: string, name: string, permission: string, allowed: boolean][] = [
      ["exchange", "amq.topic", "write", true],
      ["exchange", "amq.topic", "read", true],
      ["exchange", "amq.topic", "configure", false],
      ["exchange", "amq.default", "write", false],
      ["exchange", "", "write", false],
      ["queue", "mqtt-subscription-one/boiler-7qos1", "configure", true],
      ["queue", "mqtt-subscription-one/boiler-7@2qos0", "read", true],
      ["queue", "mqtt-subscription-two/boiler-7qos1", "read", false],
      ["queue", "mqtt-subscription-one/boiler-70qos1", "read", false],
      ["queue", "mqtt.uplink", "read", false],
      ["queue", "command.requested", "write", false],
    ];
    for (const [resource, name, permission, allowed] of asked)
      assert.deepEqual(await ask(resource, name, permission), result(allowed), `${permission} ${resource} ${name}`);
    const unknown = await form("/rabbitmq/vhost", { username: "no device", vhost: "/" });
    assert.deepEqual(unknown, result(false));
  });

  test("a device publishes and subscribes to its own topics, and no others; what it subscribes to is told", async (t) => {
    const { form, subscribing } = await listening(t);
    const ask = (permission: string, topic: string) =>
      form("/rabbitmq/topic", {
        ...{ username: "one/boiler-7", vhost: "/", resource: "topic", name: "amq.topic", permission },
        routing_key: topic.replaceAll("/", ".").replaceAll("+", "*"),
      });
    for (const [topic, allowed] of PUBLISHES) assert.deepEqual(await ask("write", topic), result(allowed), topic);
    assert.deepEqual(subscribing, []);
    for (const [filter, allowed] of SUBSCRIBES) assert.deepEqual(await ask("read", filter), result(allowed), filter);
    assert.deepEqual(subscribing, ["one/boiler-7 devices/boiler-7/config", "one/boiler-7 devices/boiler-7/commands/#"]);
  });
});

describe("whoever asks", () => {
  const fields = { username: "boiler-7", password: SECRET, clientid: "boiler-7" };

  test("is answered only where it knows the secret, and only what there is", async (t) => {
    const { url, json } = await listening(t);
    for (const path of [
      "/emqx/authentication",
      "/wrong-secret-of-the-broker/emqx/authentication",
      `/${BROKER}`,
      `/${BROKER}/emqx`,
      `/${BROKER}/emqx/authentication/more`,
      `/${BROKER}/constructor/name`,
      `/${BROKER}/emqx/constructor`,
      "//",
    ])
      assert.equal((await fetch(`${url}${path}`, { method: "POST" })).status, 404, path);
    assert.equal((await json("/emqx/authentication", fields)).status, 200);
    assert.equal((await fetch(`${url}/${BROKER}/emqx/authentication`, { method: "PUT" })).status, 405);
  });

  test("needs no secret where there is none", async (t) => {
    const { json } = await listening(t, { secret: undefined });
    assert.deepEqual(await json("/emqx/authentication", fields), { status: 200, text: `{"result":"allow"}` });
  });

  test("with a body that can't be read, or is too long, is answered 400; and the next question is answered", async (t) => {
    const { json } = await listening(t);
    for (const body of ["{", "null", "7", JSON.stringify({ ...fields, more: "x".repeat(100_000) })])
      assert.equal((await json("/emqx/authentication", body)).status, 400);
    for (const body of [[], {}, { username: { toString: "x" } }, { username: ["boiler-7"] }])
      assert.deepEqual(await json("/emqx/authentication", body), { status: 200, text: `{"result":"deny"}` });
    assert.deepEqual(await json("/emqx/authentication", fields), { status: 200, text: `{"result":"allow"}` });
  });
});
