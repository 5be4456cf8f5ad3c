import { Reason } from "./reason.ts";

/** A packet that breaks the protocol (MQTT 5.0 section 4.13): the connection ends with the reason code. */
export class ProtocolViolation extends Error {
  override name = "ProtocolViolation";
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export const malformedPacket = (message: string) => new ProtocolViolation(Reason.malformedPacket, message);
export const protocolError = (message: string) => new ProtocolViolation(Reason.protocolError, message);
