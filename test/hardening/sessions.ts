import type { Packet } from "mqtt-packet";
import { bytesOf, type Credential, connectPacket } from "./target.ts";

const TOPIC = "devices/me/telemetry";
const flags = { dup: false, retain: false } as const;

/** Packets of a valid session, each as bytes; between them they use most of what the version has. */
export function session(version: 4 | 5, credential: Credential, next: () => number): Buffer[] {
  const packets = version === 4 ? session4(credential, next) : session5(credential, next);
  return packets.map((packet) => bytesOf(version, packet));
}

const yes = (next: () => number): boolean => next() < 0.5;
const payload = (next: () => number): string => `{"temperature":${(next() * 40).toFixed(2)},"burning":${yes(next)}}`;
/** Few, so that sessions meet: they take over, resume and are parked. */
const clientId = (next: () => number): string => `client-${Math.floor(next() * 20)}`;

function session4(credential: Credential, next: () => number): Packet[] {
  const will = { topic: TOPIC, payload: Buffer.from(payload(next)), qos: 1, retain: false } as const;
  return [
    connectPacket(credential, 4, {
      ...{ clean: yes(next), clientId: clientId(next), keepalive: 30 },
      ...(yes(next) ? { will } : {}),
    }),
    { cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "devices/me/commands/#", qos: 1 }] },
    { cmd: "publish", topic: TOPIC, payload: payload(next), qos: 0, ...flags },
    { cmd: "publish", topic: TOPIC, payload: payload(next), qos: 1, messageId: 2, ...flags },
    { cmd: "publish", topic: TOPIC, payload: payload(next), qos: 2, messageId: 3, ...flags },
    { cmd: "pubrel", messageId: 3 },
    { cmd: "pingreq" },
    { cmd: "unsubscribe", messageId: 4, unsubscriptions: ["devices/me/commands/#"] },
    { cmd: "disconnect" },
  ];
}

function session5(credential: Credential, next: () => number): Packet[] {
  const will = {
    ...({ topic: TOPIC, payload: Buffer.from(payload(next)), qos: 1, retain: false } as const),
    properties: { willDelayInterval: 1, contentType: "application/json", userProperties: { why: "will" } },
  } as const;
  return [
    connectPacket(credential, 5, {
      ...{ clean: yes(next), clientId: clientId(next), keepalive: 30 },
      properties: {
        ...{ sessionExpiryInterval: yes(next) ? 0 : 60, receiveMaximum: 20, maximumPacketSize: 65_536 },
        ...{ topicAliasMaximum: 5, requestProblemInformation: true, userProperties: { model: "fuzzer" } },
      },
      ...(yes(next) ? { will } : {}),
    }),
    {
      ...{ cmd: "subscribe", messageId: 1, properties: { subscriptionIdentifier: 7, userProperties: { a: "b" } } },
      subscriptions: [{ topic: "devices/me/commands/#", qos: 1, nl: false, rap: true, rh: 1 }],
    },
    {
      ...{ cmd: "publish", topic: TOPIC, payload: payload(next), qos: 1, messageId: 2, ...flags },
      properties: { topicAlias: 1, contentType: "application/json", userProperties: { "message-id": "m-1" } },
    },
    {
      ...{ cmd: "publish", topic: "", payload: payload(next), qos: 1, messageId: 3, ...flags },
      properties: { topicAlias: 1, messageExpiryInterval: 10, payloadFormatIndicator: true },
    },
    {
      ...{ cmd: "publish", topic: TOPIC, payload: Buffer.of(0xa1, 0x61, 0x74, 0x15), qos: 2, messageId: 4, ...flags },
      properties: { contentType: "application/cbor", responseTopic: "a/b", correlationData: Buffer.from("c") },
    },
    { cmd: "pubrel", messageId: 4, reasonCode: 0, properties: { reasonString: "release" } },
    { cmd: "pingreq" },
    { cmd: "unsubscribe", messageId: 5, unsubscriptions: ["devices/me/commands/#"] },
    { cmd: "auth", reasonCode: 0, properties: { authenticationMethod: "none" } },
    { cmd: "disconnect", reasonCode: 4, properties: { sessionExpiryInterval: 30, reasonString: "over" } },
  ];
}
