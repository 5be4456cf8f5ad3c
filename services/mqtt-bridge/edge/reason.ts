/** MQTT 5 reason codes this edge sends (MQTT 5.0 section 2.4). Below 5.0 a refusal can only close the connection. */
export const Reason = {
  unspecified: 0x80,
  protocolError: 0x82,
  implementationSpecific: 0x83,
  notAuthorized: 0x87,
  serverShuttingDown: 0x8b,
  sessionTakenOver: 0x8e,
  receiveMaximumExceeded: 0x93,
  quotaExceeded: 0x97,
  payloadFormatInvalid: 0x99,
} as const;

/** Why a PUBLISH is not accepted: a reason code and a text for the device. */
export class Refusal extends Error {
  override name = "Refusal";
  readonly code: number;

  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
