/** CONNACK return codes of MQTT 3.1.1 (section 3.2.2.3); MQTT 5 clients get 0x85, 0x88, 0x86 and 0x87. */
export const ReturnCode = {
  identifierRejected: 2,
  serverUnavailable: 3,
  badUserNameOrPassword: 4,
  notAuthorized: 5,
} as const;

/** A CONNECT is refused. */
export class ConnackError extends Error {
  override name = "ConnackError";
  readonly returnCode: number;

  constructor(returnCode: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.returnCode = returnCode;
  }
}
