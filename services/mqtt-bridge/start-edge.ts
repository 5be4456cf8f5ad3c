import type { Capability } from "../../schemas/edge-capabilities.ts";
import { requireCapabilities } from "./edge/capabilities.ts";
import type { Edge } from "./edge/edge.ts";
import type { EdgeOptions } from "./edge/edge-options.ts";
import type { EdgePolicy } from "./edge/edge-policy.ts";
import type { BrokerFilesOptions } from "./edge/external/broker-files.ts";
import type { ExternalBroker } from "./edge/external/options.ts";

export interface StartOptions {
  embedded: EdgeOptions;
  external?: ExternalBroker | undefined;
  required?: readonly Capability[] | undefined;
  /** How old may be what an external edge knows of a device. */
  refreshMs?: number | undefined;
  accounts: BrokerFilesOptions["accounts"];
  log(message: string, fields: object): void;
}

/**
 * The edge that the settings ask for; only what it needs is loaded.
 *
 * @throws Error naming the file or port that cannot be used, or what is required and not there.
 */
export async function startEdge(policy: EdgePolicy, options: StartOptions): Promise<Edge> {
  const { external, required = [] } = options;
  const edge = await (external ? startExternal(policy, external, options) : startEmbedded(policy, options));
  try {
    requireCapabilities(external ? "this MQTT broker" : "the embedded MQTT edge", edge.capabilities, required);
    return edge;
  } catch (error) {
    await edge.close();
    throw error;
  }
}

async function startEmbedded(policy: EdgePolicy, { embedded }: StartOptions): Promise<Edge> {
  const { EmbeddedEdge } = await import("./edge/embedded-edge.ts");
  return EmbeddedEdge.start(policy, embedded);
}

async function startExternal(policy: EdgePolicy, external: ExternalBroker, options: StartOptions): Promise<Edge> {
  const { embedded, refreshMs, accounts, log } = options;
  const { passwordFile, aclFile, pidFile, filesRefreshMs = 60_000, ...broker } = external;
  const { MosquittoEdge } = await import("./edge/external/mosquitto-edge.ts");
  const { BrokerFiles } = await import("./edge/external/broker-files.ts");
  const files =
    passwordFile === undefined || aclFile === undefined
      ? undefined
      : new BrokerFiles({ url: broker.url, passwordFile, aclFile, pidFile, refreshMs: filesRefreshMs, accounts, log });
  return MosquittoEdge.start(policy, {
    ...broker,
    ...{ files, refreshMs, log },
    synchronous: embedded.synchronous,
    receiveMaximum: embedded.receiveMaximum,
    sessionSeconds: embedded.maxSessionSeconds,
    maxPacketBytes: embedded.maxPacketBytes,
    seenIntervalMs: embedded.seenIntervalMs,
  });
}
