import { hostname } from "node:os";
import type { BrokerOptions, Middleware, ServiceBroker } from "moleculer";
import type { Config } from "../config.ts";
import type { HealthBroker } from "../health.ts";
import { ErrorRegenerator } from "./error-regenerator.ts";
import { NatsTransporter } from "./nats-transporter.ts";
import { TcpTransporter } from "./tcp-transporter.ts";
import { parseTransporter } from "./transporter-url.ts";

/** Name of this process among the platform's processes; undefined where it is the only one. */
export const nodeIdOf = ({ TRANSPORTER, NODE_ID }: Config): string | undefined =>
  TRANSPORTER === undefined ? undefined : (NODE_ID ?? hostname());

/** How often a process says that it lives, seconds; a node is gone after a few that are missed. */
const HEARTBEAT_SECONDS = 1;
const CHUNK_BYTES_MAX = 65_536;

/** What of the broker's options depends on there being other processes. */
export function transporterOptions(config: Config): BrokerOptions & { transporter?: Transporter } {
  const { TRANSPORTER, NAMESPACE } = config;
  const namespace = NAMESPACE === undefined ? {} : { namespace: NAMESPACE };
  const nodeId = nodeIdOf(config);
  if (TRANSPORTER === undefined || nodeId === undefined) return namespace;
  return {
    ...namespace,
    nodeID: nodeId,
    transporter: transporterOf(TRANSPORTER, nodeId, config),
    errorRegenerator: new ErrorRegenerator(),
    heartbeatInterval: HEARTBEAT_SECONDS,
    heartbeatTimeout: config.NODE_TIMEOUT_SECONDS,
    requestTimeout: config.CALL_SECONDS_MAX * 1000,
    transit: { maxChunkSize: CHUNK_BYTES_MAX },
  } as BrokerOptions & { transporter: Transporter };
}

export type Transporter = NatsTransporter | TcpTransporter;

function transporterOf(text: string, nodeId: string, config: Config): Transporter {
  const url = parseTransporter(text);
  if (url.kind === "tcp")
    return new TcpTransporter({
      ...url,
      nodeId,
      host: config.HOST,
      packetBytesMax: config.TRANSPORTER_PACKET_BYTES_MAX,
    });
  const { TRANSPORTER_CA_FILE: caFile, TRANSPORTER_CERT_FILE: certFile, TRANSPORTER_KEY_FILE: keyFile } = config;
  return new NatsTransporter({ ...url, nodeId, tlsFiles: { caFile, certFile, keyFile } });
}

/** Tells the platform's health what is wrong with the transporter. */
export const transporterHealth = (transporter: Transporter): Middleware =>
  ({
    name: "TransporterHealth",
    created(broker: ServiceBroker & HealthBroker) {
      broker.health.register(() => transporter.trouble);
    },
  }) as unknown as Middleware;
