import mqtt, { type IConnackPacket, type MqttClient } from "mqtt";
import mqttPacket from "mqtt-packet";

export interface ConnectionOptions {
  /** URL of the platform's MQTT. */
  mqtt: string;
  version: 4 | 5;
}

const CONNECT_MS = 10_000;
/** The other side may be slow to notice that a connection ends. */
const BREAK_MS = 2000;
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

/**
 * Ends the connection without DISCONNECT, after a part of one more message's packet. What was sent before arrives all
 * the same: only so the same faults give the same packets.
 *
 * @param cutAt - part of the packet, from 0 to 1; none of it where left out
 */
export function breakConnection(client: MqttClient, topic: string, payload: string, cutAt = 0): void {
  const protocolVersion = client.options.protocolVersion ?? 4;
  const publish = { cmd: "publish", topic, payload, qos: 1, messageId: 1, dup: false, retain: false } as const;
  const packet = mqttPacket.generate(publish, { protocolVersion });
  const { stream } = client;
  stream.end(packet.subarray(0, Math.floor(cutAt * packet.length)));
  const timer = setTimeout(() => stream.destroy(), BREAK_MS);
  client.once("close", () => clearTimeout(timer));
}
