// What mqtt-packet 9.0.2 lets through. It leans on the parser's internals: pin the exact version.
import { isUtf8 } from "node:buffer";
import type { Client } from "aedes";
import { malformedPacket, ProtocolViolation, protocolError } from "./protocol-violation.ts";
import { Reason } from "./reason.ts";
import { checkProperties } from "./strict-properties.ts";

interface Parser {
  packet: { cmd: string | null; length: number; clientId?: string; reasonCode?: number; protocolVersion?: number };
  settings: { protocolVersion?: number };
  _list: { length: number; readUInt8(at: number): number; slice(from: number, to: number): Buffer };
  _pos: number;
  parse(chunk: Buffer): number;
  _parseString(): string | null;
  _parseProperties(): object;
  _parseDisconnect(): true;
  removeAllListeners(event: "error"): void;
  on(event: "error", listener: (error: Error) => void): void;
}

/** Thrown by whoever looks at packets: the connection is being ended, and nothing more of it is parsed. */
export class NoMorePackets extends Error {
  override name = "NoMorePackets";
}

/** @param version of the client's CONNECT, the one that is being parsed included; undefined where it has none */
export type Report = (violation: ProtocolViolation, version: number | undefined) => void;

/**
 * Makes the client's parser a strict one that reports the first violation, in place of telling the broker, which cuts
 * the connection without a word. Nothing is parsed after it.
 */
export function parseStrictly(client: Client, report: Report): void {
  const parser = (client as unknown as { _parser: Parser })._parser;
  checkTexts(parser);
  checkAllProperties(parser);
  endDisconnects(parser);
  const end = (error: unknown) => {
    parser.parse = () => 0;
    if (ended || error instanceof NoMorePackets) return;
    ended = true;
    const { packet, settings } = parser;
    report(violationOf(error as Error), packet.protocolVersion ?? settings.protocolVersion);
  };
  let ended = false;
  parser.removeAllListeners("error");
  parser.on("error", end);
  const parse = parser.parse.bind(parser);
  parser.parse = (chunk) => {
    try {
      return parse(chunk);
    } catch (error) {
      end(error);
      return 0;
    }
  };
  const internals = client as unknown as { rejectPacketTooLarge(size: number): void };
  internals.rejectPacketTooLarge = (size) =>
    end(new ProtocolViolation(Reason.packetTooLarge, `a packet of ${size} bytes`));
}

/** Texts are UTF-8 without U+0000 (MQTT 5.0 section 1.5.4); decoded, what is not UTF-8 is a replacement character. */
function checkTexts(parser: Parser): void {
  const parseString = parser._parseString.bind(parser);
  parser._parseString = () => {
    const start = parser._pos + 2;
    const text = parseString();
    if (text === null) return text;
    if (text.includes("\0")) throw malformedPacket("a text with U+0000");
    if (text.includes("\ufffd") && !isUtf8(parser._list.slice(start, parser._pos)))
      throw malformedPacket("a text that is not UTF-8");
    return text;
  };
}

function checkAllProperties(parser: Parser): void {
  const parseProperties = parser._parseProperties.bind(parser);
  parser._parseProperties = () => {
    const { packet, _list: list, _pos: at } = parser;
    const kind = packet.cmd === "connect" && packet.clientId !== undefined ? "will" : `${packet.cmd}`;
    // Nearly all packets have none.
    if (at < packet.length && list.readUInt8(at) === 0) {
      parser._pos++;
      return {};
    }
    const head = list.slice(at, Math.min(at + 4, packet.length));
    const { length, bytes } = lengthOf(head);
    const end = at + bytes + length;
    if (end > packet.length) throw malformedPacket(`${kind}: properties beyond its end`);
    checkProperties(kind, list.slice(at + bytes, end));
    return parseProperties();
  };
}

/** The parser takes the first byte behind a DISCONNECT without a reason code for one. */
function endDisconnects(parser: Parser): void {
  const parseDisconnect = parser._parseDisconnect.bind(parser);
  parser._parseDisconnect = () => {
    const { packet, settings } = parser;
    if (settings.protocolVersion !== 5 || packet.length > 1) return parseDisconnect();
    packet.reasonCode = packet.length === 0 ? 0 : parser._list.readUInt8(parser._pos);
    return true;
  };
}

/** A variable byte integer (MQTT 5.0 section 1.5.5). */
function lengthOf(head: Buffer): { length: number; bytes: number } {
  let length = 0;
  for (const [index, byte] of head.entries()) {
    length += (byte & 127) * 128 ** index;
    if (byte < 128) return { length, bytes: index + 1 };
  }
  throw malformedPacket("properties without a length");
}

/** Whatever else the parser minds is malformed. */
function violationOf(error: Error): ProtocolViolation {
  if (error instanceof ProtocolViolation) return error;
  const { message } = error;
  if (message === "Client queue limit reached") return new ProtocolViolation(Reason.quotaExceeded, message);
  if (message === "Invalid protocol version") return new ProtocolViolation(Reason.unsupportedVersion, message);
  if (message.startsWith("Invalid retain handling")) return protocolError(message);
  return malformedPacket(message);
}
