import { malformedPacket, ProtocolViolation, protocolError } from "./protocol-violation.ts";
import { Reason } from "./reason.ts";

type Type = "flag" | "int16" | "int32" | "varInt" | "text" | "pair";

/** By identifier, what a client may send (MQTT 5.0 section 2.2.2.2). Binary data is laid out as a text is. */
const TYPES: Readonly<Record<number, Type>> = {
  1: "flag",
  2: "int32",
  3: "text",
  8: "text",
  9: "text",
  11: "varInt",
  17: "int32",
  21: "text",
  22: "text",
  23: "flag",
  24: "int32",
  25: "flag",
  31: "text",
  33: "int16",
  34: "int16",
  35: "int16",
  38: "pair",
  39: "int32",
};
const USER_PROPERTY = 38;
const TOPIC_ALIAS = 35;
/** Subscription Identifier, Receive Maximum, Maximum Packet Size. */
const NOT_ZERO = new Set([11, 33, 39]);

const ACKNOWLEDGEMENT = new Set([31, USER_PROPERTY]);
const ALLOWED: Readonly<Record<string, ReadonlySet<number>>> = {
  connect: new Set([17, 21, 22, 23, 25, 33, 34, USER_PROPERTY, 39]),
  will: new Set([1, 2, 3, 8, 9, 24, USER_PROPERTY]),
  publish: new Set([1, 2, 3, 8, 9, TOPIC_ALIAS, USER_PROPERTY]),
  puback: ACKNOWLEDGEMENT,
  pubrec: ACKNOWLEDGEMENT,
  pubrel: ACKNOWLEDGEMENT,
  pubcomp: ACKNOWLEDGEMENT,
  subscribe: new Set([11, USER_PROPERTY]),
  unsubscribe: new Set([USER_PROPERTY]),
  disconnect: new Set([17, 31, USER_PROPERTY]),
  auth: new Set([21, 22, 31, USER_PROPERTY]),
};

/**
 * Checks a packet's properties: each is known, allowed here, there once, within its bounds and within their length. The
 * parser reads what is cut short as -1 or null, and the second of two in the place of a first that is 0 or empty.
 *
 * @param kind command of the packet, or `will`
 * @param bytes the properties, without their length
 * @throws ProtocolViolation
 */
export function checkProperties(kind: string, bytes: Buffer): void {
  const seen = new Set<number>();
  for (let at = 0; at < bytes.length; ) {
    const id = bytes[at++] as number;
    const type = TYPES[id];
    if (!type || !ALLOWED[kind]?.has(id)) throw malformedPacket(`${kind}: property ${id} does not belong here`);
    if (id !== USER_PROPERTY && seen.has(id)) throw protocolError(`${kind}: property ${id} is given twice`);
    seen.add(id);
    const end = endOf(type, bytes, at);
    if (end > bytes.length) throw malformedPacket(`${kind}: property ${id} is cut short`);
    checkValue(kind, id, type, bytes.subarray(at, end));
    at = end;
  }
}

function checkValue(kind: string, id: number, type: Type, value: Buffer): void {
  if (type === "flag" && (value[0] as number) > 1) throw protocolError(`${kind}: property ${id} is neither 0 nor 1`);
  if (id !== TOPIC_ALIAS && !NOT_ZERO.has(id)) return;
  if (!value.every((byte) => byte === 0)) return;
  if (id === TOPIC_ALIAS) throw new ProtocolViolation(Reason.topicAliasInvalid, `${kind}: Topic Alias 0`);
  throw protocolError(`${kind}: property ${id} is 0`);
}

/** Where the value that begins at `at` ends; beyond the bytes where it is cut short. */
function endOf(type: Type, bytes: Buffer, at: number): number {
  switch (type) {
    case "flag":
      return at + 1;
    case "int16":
      return at + 2;
    case "int32":
      return at + 4;
    case "varInt":
      return varIntEnd(bytes, at);
    case "text":
      return textEnd(bytes, at);
    case "pair":
      return textEnd(bytes, textEnd(bytes, at));
  }
}

const textEnd = (bytes: Buffer, at: number): number =>
  at + 2 <= bytes.length ? at + 2 + bytes.readUInt16BE(at) : Number.POSITIVE_INFINITY;

function varIntEnd(bytes: Buffer, at: number): number {
  for (let length = 1; length <= 4; length++) {
    const byte = bytes[at + length - 1];
    if (byte === undefined) break;
    if (byte < 128) return at + length;
  }
  return Number.POSITIVE_INFINITY;
}
