// What aedes 2.0.0-beta.1 does not offer by option. Every function leans on internals: pin the exact version, and let
// the tests of this port say whether a newer one still needs them.
import type { Aedes, AedesPublishPacket, Client, PublishPacket } from "aedes";

/** The members of aedes' Client that its types leave out. */
interface Internals {
  _parser: Parser;
  _cleanStart?: boolean;
  _serverKeepAlive?: number;
  _assignedClientId?: string;
  _requestProblemInformation?: boolean;
  clean: boolean;
  deliverQoS(packet: AedesPublishPacket, done: () => void): void;
  waitForDrain(done: () => void): void;
  pause(): void;
}
interface Parser {
  parse(chunk: Buffer): number;
  emit(event: "error", error: Error): boolean;
  prependListener(event: "packet", listener: (packet: { cmd: string }) => void): void;
}
const inside = (client: Client) => client as unknown as Internals;

/** Looks at, and may change, each packet of the client before aedes does. */
export function beforePackets(client: Client, listener: (packet: { cmd: string }) => void): void {
  inside(client)._parser.prependListener("packet", listener);
}

/** A parser that throws, instead of reporting an error, would take the process with it. */
export function guardParser(client: Client): void {
  const parser = inside(client)._parser;
  const parse = parser.parse.bind(parser);
  parser.parse = (chunk) => {
    try {
      return parse(chunk);
    } catch (error) {
      parser.emit("error", error as Error);
      return 0;
    }
  };
}

/** Server Keep Alive for MQTT 5 only: aedes' own option also refuses 3.1.1 clients, with a code 3.1.1 does not have. */
export function capKeepAlive(client: Client, askedSeconds: number, maxSeconds: number): void {
  if (client.version === 5 && (askedSeconds === 0 || askedSeconds > maxSeconds))
    inside(client)._serverKeepAlive = maxSeconds;
}

/** Reports the client id that the edge chose (MQTT 5.0 section 3.2.2.3.7). */
export function reportAssignedClientId(client: Client, clientId: string): void {
  inside(client)._assignedClientId = clientId;
}

/**
 * A 5.0 client that resumes (Clean Start 0) without a Session Expiry Interval would have its queued messages thrown
 * away, because aedes takes "ends with this connection" for "starts clean".
 */
export function keepQueueOnResume(client: Client): void {
  if (client.version === 5 && !inside(client)._cleanStart) inside(client).clean = false;
}

/** The queue has been sent: the session is again what its expiry says. */
export function settleSession(client: Client): void {
  if (client.version === 5) inside(client).clean = client.sessionExpiryInterval === 0;
}

/** The client's Maximum Packet Size is noted by aedes but not obeyed. An upper estimate of the size. */
export function fits(client: Client, packet: AedesPublishPacket): boolean {
  const limit = client.maximumPacketSize;
  return limit === undefined || 12 + Buffer.byteLength(packet.topic) + packet.payload.length <= limit;
}

/** The client's Receive Maximum is noted by aedes but not obeyed. Returns what to call when it acknowledges one. */
export function limitInFlight(client: Client, maxQueued: number, overflow: () => void): () => void {
  const internals = inside(client);
  const deliver = internals.deliverQoS;
  const waiting: AedesPublishPacket[] = [];
  let inFlight = 0;
  internals.deliverQoS = (packet, done) => {
    if (packet.qos === 0) return deliver(packet, done);
    if (inFlight < client.receiveMaximum) {
      inFlight++;
      return deliver(packet, done);
    }
    if (waiting.length >= maxQueued) overflow();
    else waiting.push(packet);
    setImmediate(done); // aedes' emitter has few slots: never hold one for a slow client
  };
  return () => {
    inFlight = Math.max(0, inFlight - 1);
    const next = waiting.shift();
    if (!next) return;
    inFlight++;
    deliver(next, () => {});
  };
}

/** Marks a PUBLISH as answered: aedes neither acknowledges nor routes it, whatever the client's version. */
export function markAnswered(packet: PublishPacket): void {
  (packet as { _notAuthorized?: boolean })._notAuthorized = true;
}

/** False where the client asked for no reason strings (MQTT 5.0 section 3.1.2.11.7). */
export const wantsReasons = (client: Client): boolean => inside(client)._requestProblemInformation !== false;

/** Whether the session ends with the connection; a DISCONNECT may change it (MQTT 5.0 section 3.14.2.2.2). */
export const endsWithConnection = (client: Client): boolean =>
  client.version === 5 ? client.sessionExpiryInterval === 0 : inside(client).clean;

/** Calls back when the client's socket takes data again, or the drain time is over. */
export const whenDrained = (client: Client, done: () => void): void => inside(client).waitForDrain(done);

/** Reads nothing more from the client. */
export const stopReading = (client: Client): void => inside(client).pause();

interface BrokerInternals {
  clients: Record<string, Client>;
  persistence: {
    addSubscriptions(client: Client, subscriptions: { topic: string; qos: number }[]): Promise<void>;
    incomingGetPacket(client: Client, packet: { messageId: number }): Promise<unknown>;
  };
  unregisterClient(client: Client): void;
  _wipeSession(client: Client): void;
}
const within = (broker: Aedes) => broker as unknown as BrokerInternals;

export const connectedClients = (broker: Aedes): Client[] => Object.values(within(broker).clients);

/** Ends a session that has no connection: its subscriptions, its queue and its will go. */
export const wipeSession = (broker: Aedes, client: Client): void => within(broker)._wipeSession(client);

/**
 * aedes says "session present" only where there are subscriptions. A subscription that nothing matches makes a session
 * of one that only publishes, as MQTT-3.2.2-2 wants it.
 */
export function markSession(broker: Aedes, client: Client, topic: string): Promise<void> {
  return within(broker).persistence.addSubscriptions(client, [{ topic, qos: 0 }]);
}

/** Calls back for each PUBREL; aedes asks its store for the packet then, which knows none, and answers PUBCOMP. */
export function onRelease(broker: Aedes, listener: (client: Client, packetId: number) => void): void {
  within(broker).persistence.incomingGetPacket = async (client, { messageId }) => listener(client, messageId);
}

/** aedes registers a client although it was closed while it connected, and never forgets it. */
export function forgetIfClosed(broker: Aedes, client: Client): void {
  if (client.closed && within(broker).clients[client.id] === client) within(broker).unregisterClient(client);
}

export const isRegistered = (broker: Aedes, client: Client): boolean => within(broker).clients[client.id] === client;
