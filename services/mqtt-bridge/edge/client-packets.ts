import type { Client } from "aedes";
import * as internals from "./aedes-internals.ts";
import { Refused, refuseConnect } from "./connack.ts";
import type { Connection } from "./connection.ts";
import type { Options } from "./edge-options.ts";
import type { EdgePolicy } from "./edge-policy.ts";
import { ownFilters } from "./own-filters.ts";
import type { ProtocolViolation } from "./protocol-violation.ts";
import { Reason } from "./reason.ts";
import { refuseViolations } from "./strict-packets.ts";
import { NoMorePackets, parseStrictly } from "./strict-parser.ts";
import { limitTopic } from "./topic-limits.ts";

type Limits = Pick<Options, "maxTopicBytes" | "maxTopicLevels" | "maxSubscriptions" | "now">;

/** Each packet of a client before the broker sees it: held against protocol and limits, its filters made its own. */
export class ClientPackets {
  readonly #policy: EdgePolicy;
  readonly #limits: Limits;
  readonly #connectionOf: (client: Client) => Connection | undefined;

  constructor(policy: EdgePolicy, limits: Limits, connectionOf: (client: Client) => Connection | undefined) {
    this.#policy = policy;
    this.#limits = limits;
    this.#connectionOf = connectionOf;
  }

  watch(client: Client): void {
    parseStrictly(client, (violation, version) => this.#violated(client, violation, version));
    const { maxTopicBytes, maxTopicLevels, now } = this.#limits;
    const acknowledged = (id: number) => this.#connectionOf(client)?.outbound?.settled(id);
    internals.beforePackets(client, (packet) => {
      const connection = this.#connectionOf(client);
      refuseViolations(packet, connection !== undefined);
      if (!connection) return;
      connection.seenAt = now();
      switch (packet.cmd) {
        case "publish":
          limitTopic(packet, maxTopicBytes, Math.min(100, maxTopicLevels));
          break;
        case "subscribe":
        case "unsubscribe":
          countControl(connection);
          this.#rewriteFilters(packet, connection);
          break;
        case "pingreq":
          countControl(connection);
          break;
        case "disconnect":
          // With its will it breaks like one that vanishes.
          if ((packet.reasonCode ?? 0) !== Reason.disconnectWithWill) connection.leaving ??= "client";
          break;
        case "puback":
        case "pubcomp":
        case "pubrec":
          // After the broker has taken it out of the queue. A PUBREC is the end where it refuses only.
          if (packet.cmd !== "pubrec" || (packet.reasonCode ?? 0) >= 0x80)
            process.nextTick(acknowledged, packet.messageId);
          break;
        default:
      }
    });
  }

  /** A client breaks the protocol: with MQTT 5 it is told how, once it is connected; below, the connection is cut. */
  #violated(client: Client, violation: ProtocolViolation, version: number | undefined): void {
    const connection = this.#connectionOf(client);
    const { code } = violation;
    // What is wrong with a second CONNECT is that it is there.
    if (connection?.version === 5)
      connection.drop(code === Reason.unsupportedVersion ? Reason.protocolError : code, "network");
    else if (connection || version === undefined) internals.cut(client, violation);
    else if (code === Reason.unsupportedVersion) refuseConnect(client, version > 5 ? 5 : 4, Refused.version);
    else if (version === 5) refuseConnect(client, 5, { returnCode: Refused.unavailable.returnCode, reasonCode: code });
    else internals.cut(client, violation);
  }

  #rewriteFilters(packet: { cmd: string }, connection: Connection): void {
    const { device } = connection;
    if (!device) return;
    ownFilters(packet, connection, {
      allowed: (filter) => this.#policy.maySubscribe(device, filter),
      canonical: (filter) => this.#policy.canonical(device, filter),
      max: this.#limits.maxSubscriptions,
    });
  }
}

/** @throws NoMorePackets where the connection has asked too much */
function countControl(connection: Connection): void {
  if (!connection.takesControl()) throw new NoMorePackets();
}
