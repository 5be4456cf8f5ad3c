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
  connackSent: boolean;
  connected: boolean;
  clean: boolean;
  deliverQoS(packet: AedesPublishPacket, done: () => void): void;
  waitForDrain(done: () => void): void;
  pause(): void;
  subscriptions: Record<string, { func: unknown }>;
}
interface Parser {
  prependListener(event: "packet", listener: (packet: Arrived) => void): void;
}
interface Arrived {
  cmd: string;
  reasonCode?: number;
  messageId?: number;
}
const inside = (client: Client) => client as unknown as Internals;

/** Looks at, and may change, each packet of the client before aedes does. */
export function beforePackets(client: Client, listener: (packet: Arrived) => void): void {
  inside(client)._parser.prependListener("packet", listener);
}

/**
 * Every DISCONNECT says why in words, too; some clients read the code only where something follows it. And each is said:
 * for a while after CONNACK the client is not connected yet for aedes, which then closes without a word.
 */
export function explainDisconnects(client: Client, texts: Readonly<Record<number, string>>): void {
  const disconnect = client.disconnect.bind(client);
  client.disconnect = ((options: { reasonCode?: number } = {}, done?: () => void) => {
    if (inside(client).connackSent && !client.closed) inside(client).connected = true;
    const reasonString = texts[options.reasonCode ?? 0];
    const fits = reasonString !== undefined && reasonString.length + 8 <= (client.maximumPacketSize ?? Infinity);
    disconnect(fits ? { properties: { reasonString }, ...options } : options, done);
  }) as Client["disconnect"];
}

/** Server Keep Alive for MQTT 5 only: aedes' own option also refuses 3.1.1 clients, with a code 3.1.1 does not have. */
export function capKeepAlive(client: Client, askedSeconds: number, maxSeconds: number): void {
  if (client.version === 5 && (askedSeconds === 0 || askedSeconds > maxSeconds))
    inside(client)._serverKeepAlive = maxSeconds;
}

/** Keep-alive in force. */
export const keepAliveSeconds = (client: Client, askedSeconds: number): number =>
  inside(client)._serverKeepAlive ?? askedSeconds;

/** Reports the client id that the edge chose (MQTT 5.0 section 3.2.2.3.7). */
export function reportAssignedClientId(client: Client, clientId: string): void {
  inside(client)._assignedClientId = clientId;
}

/**
 * Whether subscriptions are kept and messages queued. aedes takes "ends with this connection" for "starts clean", and
 * so would throw away what a 5.0 client resumes (Clean Start 0) without a Session Expiry Interval.
 */
export function keepSession(client: Client, kept: boolean): void {
  inside(client).clean = !kept;
}

/** The client's Maximum Packet Size is noted by aedes but not obeyed. An upper estimate of the size. */
export function fits(client: Client, packet: AedesPublishPacket): boolean {
  const limit = client.maximumPacketSize;
  return limit === undefined || 12 + Buffer.byteLength(packet.topic) + packet.payload.length <= limit;
}

export type Deliver = (packet: AedesPublishPacket, done: () => void) => void;

/** Puts another in the place of how messages of QoS 1 and 2 leave; given and returned is how aedes does it. */
export function replaceDelivery(client: Client, replace: (deliver: Deliver) => Deliver): void {
  const internals = inside(client);
  internals.deliverQoS = replace(internals.deliverQoS);
}

/** Cuts the connection, as the broker does with one that breaks the protocol. */
export const cut = (client: Client, error: Error): void => void client.emit("error", error);

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
  unregisterClient(client: Client): void;
  scheduleSessionExpiry(client: Client): void;
  _clearWillInterval: NodeJS.Timeout;
  unsubscribe(topic: string, deliver: unknown, done: () => void): void;
}
const within = (broker: Aedes) => broker as unknown as BrokerInternals;

export const connectedClients = (broker: Aedes): Client[] => Object.values(within(broker).clients);

/** Sessions and the wills of a former process are the edge's: aedes knows neither after a restart. Once it listens. */
export function leaveSessionsToEdge(broker: Aedes): void {
  within(broker).scheduleSessionExpiry = () => {};
  clearInterval(within(broker)._clearWillInterval);
}

/** Takes back a subscription that was granted for its answer's sake. */
export function dropSubscription(broker: Aedes, client: Client, filter: string): void {
  const known = inside(client).subscriptions[filter];
  if (!known) return;
  delete inside(client).subscriptions[filter];
  within(broker).unsubscribe(filter, known.func, () => {});
}

/** Seconds that the session lasts without a connection; below MQTT 5 as long as the broker allows. */
export const expirySeconds = (client: Client): number => client.sessionExpiryInterval ?? 0;

/** aedes registers a client although it was closed while it connected, and never forgets it. */
export function forgetIfClosed(broker: Aedes, client: Client): void {
  if (client.closed && within(broker).clients[client.id] === client) within(broker).unregisterClient(client);
}

export const isRegistered = (broker: Aedes, client: Client): boolean => within(broker).clients[client.id] === client;

/** As the broker itself delivers to one client. */
export const deliver = (client: Client, packet: AedesPublishPacket, done: () => void): void =>
  inside(client).deliverQoS(packet, done);
