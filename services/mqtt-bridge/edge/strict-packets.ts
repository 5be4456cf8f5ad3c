import { malformedPacket, protocolError } from "./protocol-violation.ts";

interface Packet {
  cmd: string;
  qos?: number;
  topic?: string;
  messageId?: number;
  subscriptions?: readonly unknown[];
  unsubscriptions?: readonly unknown[];
  username?: string;
  password?: unknown;
  protocolVersion?: number;
  will?: { qos?: number; properties?: Properties };
  properties?: Properties;
}
interface Properties {
  topicAlias?: number;
  responseTopic?: string;
}

interface Versioned {
  protocolId?: string;
  protocolVersion?: number;
  /** The highest bit of the version. */
  bridgeMode?: boolean;
}

/** Only a server sends them. */
const OF_SERVERS = new Set(["connack", "suback", "unsuback", "pingresp"]);
const WITH_ID = new Set(["puback", "pubrec", "pubrel", "pubcomp", "subscribe", "unsubscribe"]);

/**
 * What neither parser nor broker minds, or what they cut the connection for without a word.
 *
 * @param connected whether the client has sent its CONNECT before
 * @throws ProtocolViolation
 */
export function refuseViolations(packet: Packet, connected: boolean): void {
  const { cmd, messageId } = packet;
  if (OF_SERVERS.has(cmd)) throw protocolError(`${cmd}: is for servers to send`);
  if (WITH_ID.has(cmd)) checkId(cmd, messageId);
  switch (cmd) {
    case "connect":
      if (connected) throw protocolError("connect: there was one before (MQTT-3.1.0-2)");
      checkConnect(packet);
      break;
    case "publish":
      if (packet.topic === "" && packet.properties?.topicAlias === undefined)
        throw protocolError("publish: neither topic nor alias");
      checkResponseTopic(packet.properties);
      break;
    case "subscribe":
      if (packet.subscriptions?.length === 0) throw protocolError("subscribe: no filters (MQTT-3.8.3-2)");
      break;
    case "unsubscribe":
      if (packet.unsubscriptions?.length === 0) throw protocolError("unsubscribe: no filters (MQTT-3.10.3-2)");
      break;
    case "auth":
      throw protocolError("auth: no CONNECT has begun an authentication (MQTT-4.12.0-6)");
    default:
  }
}

/** MQTT 3.1.1 and 5 under their name; not 3.1, and not the private versions of bridges, which ask again without it. */
export const isSupported = ({ protocolId, protocolVersion, bridgeMode }: Versioned): boolean =>
  protocolId === "MQTT" && !bridgeMode && (protocolVersion === 4 || protocolVersion === 5);

function checkConnect({ will, username, password, protocolVersion }: Packet): void {
  if (will?.qos === 3) throw malformedPacket("connect: will of QoS 3 (MQTT-3.1.2-12)");
  checkResponseTopic(will?.properties);
  // MQTT 3.1.1 only (MQTT-3.1.2-22).
  if (protocolVersion === 4 && password !== undefined && username === undefined)
    throw malformedPacket("connect: a password without a user name");
}

/** The parser says -1 where the packet ends before its id. */
function checkId(cmd: string, id: number | undefined): void {
  if (id === 0) throw protocolError(`${cmd}: packet id 0 (MQTT-2.2.1-3)`);
  if (id === undefined || id < 0) throw malformedPacket(`${cmd}: no packet id`);
}

function checkResponseTopic(properties: Properties | undefined): void {
  if (properties?.responseTopic !== undefined && /[#+]/.test(properties.responseTopic))
    throw protocolError("response topic: has a wildcard (MQTT-3.3.2-14)");
}
