import mqtt, { type IConnackPacket, type MqttClient } from "mqtt";

export interface ConnectionOptions {
  /** URL of the platform's MQTT. */
  mqtt: string;
  version: 4 | 5;
}

const CONNECT_MS = 10_000;
/** MQTT 5 §3.2.2.3.3: where the server names none. */
const RECEIVE_MAXIMUM = 65_535;

/** Nobody answers, or the device was refused; `code` is the system's or CONNACK's. */
export class ConnectionError extends Error {
  override name = "ConnectionError";
  readonly code: number | string | undefined;

  constructor(message: string, code: number | string | undefined) {
    super(message);
    this.code = code;
  }
}

/** One connection of a device; it does not come back by itself. @throws ConnectionError naming address and device */
export async function connect(deviceId: string, secret: string, { mqtt: url, version }: ConnectionOptions) {
  const client: MqttClient = mqtt.connect(url, {
    clientId: deviceId,
    username: deviceId,
    password: secret,
    protocolVersion: version,
    // A message brings its own time: sent again in a new session it is known again.
    clean: true,
    reconnectPeriod: 0,
    connectTimeout: CONNECT_MS,
  });
  // An error is always followed by "close"; without a listener it would end the process.
  client.on("error", () => {});
  try {
    const connack = await new Promise<IConnackPacket>((resolve, reject) => {
      client.once("connect", resolve).once("error", reject);
      client.once("close", () => reject(new Error("connection closed")));
    });
    return { client, receiveMaximum: connack.properties?.receiveMaximum ?? RECEIVE_MAXIMUM };
  } catch (error) {
    client.end(true);
    const { code, message } = error as Error & { code?: number | string };
    throw new ConnectionError(
      typeof code === "number"
        ? `device ${deviceId} cannot connect to ${url}: ${message}`
        : `no MQTT server answers at ${url} (${code ?? message}); is the platform running? --mqtt names another`,
      code,
    );
  }
}
