import assert from "node:assert/strict";
import { test } from "node:test";
import type { IConnackPacket, IConnectPacket } from "mqtt-packet";
import type { EdgeOptions } from "../../../../services/mqtt-bridge/edge/edge-options.ts";
import type { Platform } from "./platform.ts";
import type { Version } from "./raw-client.ts";
import { codeOf, connectPacket, kept, nameOf, publishPacket, Rig, type StartEdge, VERSIONS } from "./subject.ts";

/** Bit of the connect flags, the tenth byte of a CONNECT. */
const CLEAN_SESSION = 0x02;

interface Refused {
  what: string;
  connect?: Partial<IConnectPacket>;
  options?: EdgeOptions;
  registry?: Platform["check"];
  codes: Record<Version, number>;
}

const NOT_AUTHORIZED = { 4: 5, 5: 0x87 };
const BAD_USER_NAME_OR_PASSWORD = { 4: 4, 5: 0x86 };
const UNAVAILABLE = { 4: 3, 5: 0x88 };

const REFUSED: Refused[] = [
  { what: "without a user name", connect: withoutUsername(), codes: NOT_AUTHORIZED },
  { what: "with a user name that names no device", connect: { username: "no device" }, codes: NOT_AUTHORIZED },
  { what: "with a user name of three parts", connect: { username: "a/b/c" }, codes: NOT_AUTHORIZED },
  { what: "with a tenant that can't be", connect: { username: "Tenant/boiler-7" }, codes: NOT_AUTHORIZED },
  { what: "with a wrong password", connect: { password: Buffer.from("x") }, codes: BAD_USER_NAME_OR_PASSWORD },
  { what: "with an empty password", connect: { password: Buffer.alloc(0) }, codes: BAD_USER_NAME_OR_PASSWORD },
  { what: "without a password", connect: withoutPassword(), codes: BAD_USER_NAME_OR_PASSWORD },
  {
    what: "while the registry is down",
    registry: async () => {
      throw new Error("no registry");
    },
    codes: UNAVAILABLE,
  },
  {
    what: "while the registry does not answer",
    registry: () => new Promise(() => {}),
    options: { connectTimeoutMs: 100 },
    codes: UNAVAILABLE,
  },
  { what: "with a client id that is too long", connect: { clientId: "x".repeat(257) }, codes: { 4: 2, 5: 0x85 } },
];

/** mqtt-packet takes a key that is there for a value, even if it is undefined. */
function withoutUsername(): Partial<IConnectPacket> {
  return { username: undefined, password: undefined } as unknown as Partial<IConnectPacket>;
}
function withoutPassword(): Partial<IConnectPacket> {
  return { password: undefined } as unknown as Partial<IConnectPacket>;
}

export function connecting(start: StartEdge): void {
  for (const version of VERSIONS) {
    for (const { what, connect, options, registry, codes } of REFUSED)
      test(`${nameOf(version)}: a CONNECT ${what} is refused with ${codes[version]}, and the connection closed`, async (t) => {
        const rig = await Rig.start(t, start, options);
        if (registry) rig.platform.check = registry;
        const [client, answer] = await rig.ask(version, connect);
        assert.equal(codeOf(answer), codes[version]);
        assert.equal(await client.next(), "closed");
      });

    for (const scheme of ["mqtt", "ws"] as const)
      test(`${nameOf(version)} over ${scheme}: a device with its password gets in, and its telemetry through`, async (t) => {
        const rig = await Rig.start(t, start);
        const client = await rig.mqttJs(version, { username: "acme/boiler-7" }, scheme);
        await client.publishAsync("devices/me/telemetry", "me", { qos: 1 });
        await client.publishAsync("devices/boiler-7/telemetry", "named", { qos: 2 });
        assert.deepEqual(
          rig.platform.received.map(({ device, text }) => [device, text]),
          [
            ["acme/boiler-7", "me"],
            ["acme/boiler-7", "named"],
          ],
        );
      });

    test(`${nameOf(version)}: a client without a client id that asks for a clean session gets one`, async (t) => {
      const rig = await Rig.start(t, start);
      const [, answer] = await rig.ask(version, { clientId: "" });
      assert.equal(codeOf(answer), 0);
      const given = (answer as IConnackPacket).properties?.assignedClientIdentifier;
      if (version === 5) assert.match(given ?? "", /^[0-9a-f-]{36}$/, "and is told which, without a prefix");
    });

    test(`${nameOf(version)}: what is sent before CONNECT is not taken`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = rig.open(version);
      client.send(publishPacket(1, "early"));
      assert.equal(await client.next(), "closed");
      assert.deepEqual(rig.platform.texts, []);
    });

    test(`${nameOf(version)}: what is sent behind CONNECT, without awaiting its answer, is taken after it`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = rig.open(version);
      client.send(connectPacket(version), publishPacket(1, "a"), publishPacket(2, "b"));
      assert.deepEqual(await client.answers(3), ["connack", "puback 1", "puback 2"]);
      assert.deepEqual(rig.platform.texts, ["a", "b"]);
    });
  }

  test("MQTT 3.1.1: a session to be kept needs a client id: refused with 2 (MQTT-3.1.3-8)", async (t) => {
    const rig = await Rig.start(t, start);
    const client = rig.open(4);
    const bytes = client.bytes(connectPacket(4, { clientId: "" }));
    bytes[9] = (bytes[9] as number) & ~CLEAN_SESSION; // no client library would send it
    client.write(bytes);
    assert.partialDeepStrictEqual(await client.next(), { cmd: "connack", returnCode: 2 });
    assert.equal(await client.next(), "closed");
  });

  for (const [asked, told] of [
    [0, 300],
    [301, 300],
    [60, undefined],
  ] as const)
    test(`MQTT 5: a keep-alive of ${asked} s is ${told ? "capped, and the client told so" : "left as it is"}`, async (t) => {
      const rig = await Rig.start(t, start, { maxKeepAliveSeconds: 300 });
      const [, answer] = await rig.ask(5, { keepalive: asked });
      assert.equal((answer as IConnackPacket).properties?.serverKeepAlive, told);
    });

  for (const asked of [0, 301])
    test(`MQTT 3.1.1 has no way to be told of a cap: a keep-alive of ${asked} s is accepted`, async (t) => {
      const rig = await Rig.start(t, start, { maxKeepAliveSeconds: 300 });
      await rig.connect(4, { keepalive: asked });
    });

  test("MQTT 5: a Session Expiry Interval over the limit is cut, and the client told so", async (t) => {
    const rig = await Rig.start(t, start, { maxSessionSeconds: 30 });
    const [, answer] = await rig.ask(5, kept(5));
    assert.equal((answer as IConnackPacket).properties?.sessionExpiryInterval, 30);
  });
}
