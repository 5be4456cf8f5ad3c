import type { Client } from "aedes";
import mqttPacket from "mqtt-packet";

/** How a refusal is said: CONNACK return code of MQTT 3.1.1 (section 3.2.2.3), reason code of MQTT 5 (3.2.2.2). */
interface Code {
  returnCode: number;
  reasonCode: number;
}

export const Refused = {
  version: { returnCode: 1, reasonCode: 0x84 },
  identifier: { returnCode: 2, reasonCode: 0x85 },
  unavailable: { returnCode: 3, reasonCode: 0x88 },
  quotaExceeded: { returnCode: 3, reasonCode: 0x97 },
  connectionRate: { returnCode: 3, reasonCode: 0x9f },
  credential: { returnCode: 4, reasonCode: 0x86 },
  notAuthorized: { returnCode: 5, reasonCode: 0x87 },
} as const satisfies Record<string, Code>;

/** A CONNECT is refused. */
export class ConnackError extends Error {
  override name = "ConnackError";
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Answers a CONNECT with a refusal, and hangs up. The broker itself has words for some of the codes only. */
export function refuseConnect(client: Client, version: number, { returnCode, reasonCode }: Code): void {
  if (client.closed) return;
  const connack = { cmd: "connack", sessionPresent: false, returnCode, reasonCode } as const;
  client.conn.write(mqttPacket.generate(connack, { protocolVersion: version === 5 ? 5 : 4 }));
  client.close();
}
