/** MQTT 5 reason codes this edge sends (MQTT 5.0 section 2.4). Below 5.0 a refusal can only close the connection. */
export const Reason = {
  disconnectWithWill: 0x04,
  unspecified: 0x80,
  malformedPacket: 0x81,
  protocolError: 0x82,
  implementationSpecific: 0x83,
  /** Of a CONNACK. */
  unsupportedVersion: 0x84,
  notAuthorized: 0x87,
  serverBusy: 0x89,
  serverShuttingDown: 0x8b,
  sessionTakenOver: 0x8e,
  topicNameInvalid: 0x90,
  receiveMaximumExceeded: 0x93,
  topicAliasInvalid: 0x94,
  packetTooLarge: 0x95,
  messageRateTooHigh: 0x96,
  quotaExceeded: 0x97,
  administrativeAction: 0x98,
  payloadFormatInvalid: 0x99,
} as const;

/** What a DISCONNECT says beside its code. */
export const DISCONNECT_TEXT: Readonly<Record<number, string>> = {
  [Reason.malformedPacket]: "the packet is malformed",
  [Reason.protocolError]: "the packet breaks the protocol",
  [Reason.serverBusy]: "nothing can be stored at the moment; what was not acknowledged is to be sent again",
  [Reason.serverShuttingDown]: "the server is stopping",
  [Reason.sessionTakenOver]: "another connection has the client id",
  [Reason.receiveMaximumExceeded]: "more QoS 2 messages than the Receive Maximum wait for PUBREL",
  [Reason.topicAliasInvalid]: "the topic alias is unknown or above the maximum",
  [Reason.packetTooLarge]: "the packet is above the Maximum Packet Size",
  [Reason.messageRateTooHigh]: "more messages per second than a device may send",
  [Reason.quotaExceeded]: "too many messages wait",
  [Reason.administrativeAction]: "the device's access was revoked",
};

/** Why a PUBLISH is not accepted: a reason code and a text for the device. It is answered, and so is done. */
export class Refusal extends Error {
  override name = "Refusal";
  readonly code: number;

  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * A message could not be stored although nothing is wrong with it. It is not answered: clients take any PUBACK, a
 * negative one too, for the end of the message. The connection ends, and the client sends it again on the next one.
 */
export class Unstored extends Error {
  override name = "Unstored";
  /** Of the DISCONNECT. */
  readonly code: number;

  constructor(message: string, code: number = Reason.serverBusy, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
