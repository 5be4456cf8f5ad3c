import type { Capability } from "../../schemas/edge-capabilities.ts";
import type { AuthListener } from "./broker-auth/listener.ts";
import { requireCapabilities } from "./edge/capabilities.ts";
import type { Edge } from "./edge/edge.ts";
import type { EdgeOptions } from "./edge/edge-options.ts";
import type { DeviceKey, EdgePolicy } from "./edge/edge-policy.ts";
import type { BrokerFilesOptions } from "./edge/external/broker-files.ts";
import type { ExternalBroker } from "./edge/external/options.ts";

export interface StartOptions {
  embedded: EdgeOptions;
  external?: ExternalBroker | undefined;
  required?: readonly Capability[] | undefined;
  /** How old may be what an external edge knows of a device. */
  refreshMs?: number | undefined;
  accounts: BrokerFilesOptions["accounts"];
  /** An external broker is there, perhaps again. */
  up(): void;
  log(message: string, fields: object): void;
}

interface StartedEdge {
  edge: Edge;
  /** Closes what belongs to it, and itself. */
  close(): Promise<void>;
}

/**
 * The edge that the settings ask for; only what it needs is loaded.
 *
 * @throws Error naming the file or port that cannot be used, or what is required and not there.
 */
export async function startEdge(policy: EdgePolicy, options: StartOptions): Promise<StartedEdge> {
  const { external, required = [] } = options;
  const started = await (external ? startExternal(policy, external, options) : startEmbedded(policy, options));
  try {
    const name = external ? "this MQTT broker" : "the embedded MQTT edge";
    requireCapabilities(name, started.edge.capabilities, required);
    return started;
  } catch (error) {
    await started.close();
    throw error;
  }
}

async function startEmbedded(policy: EdgePolicy, { embedded }: StartOptions): Promise<StartedEdge> {
  const { EmbeddedEdge } = await import("./edge/embedded-edge.ts");
  const edge = await EmbeddedEdge.start(policy, embedded);
  return { edge, close: () => edge.close() };
}

async function startExternal(
  policy: EdgePolicy,
  external: ExternalBroker,
  options: StartOptions,
): Promise<StartedEdge> {
  let edge: Edge | undefined;
  // First: a broker that is asked for the bridge itself gets an answer.
  const listener = await startListener(policy, external, options, (device, filter) =>
    edge?.subscribing?.(device, filter),
  );
  try {
    const started = await (external.url.startsWith("amqp") ? startAmqp : startMqtt)(policy, external, options);
    edge = started;
    return {
      edge: started,
      async close() {
        await listener?.close();
        await started.close();
      },
    };
  } catch (error) {
    await listener?.close();
    throw error;
  }
}

async function startListener(
  policy: EdgePolicy,
  { url, authentication }: ExternalBroker,
  { log }: StartOptions,
  subscribing: (device: DeviceKey, filter: string) => void,
): Promise<AuthListener | undefined> {
  if (!authentication) return undefined;
  const { Authority } = await import("./broker-auth/authority.ts");
  const { AuthListener } = await import("./broker-auth/listener.ts");
  // RabbitMQ knows the bridge itself, and does not ask for it.
  const { username, password } = url.startsWith("mqtt") ? new URL(url) : { username: "", password: "" };
  const bridge = { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  return AuthListener.open(new Authority(policy, bridge, subscribing), {
    ...authentication,
    failed: (error) => log("An MQTT broker's question could not be answered.", { error }),
  });
}

async function startAmqp(policy: EdgePolicy, external: ExternalBroker, options: StartOptions): Promise<Edge> {
  const { url, bridge, queue, authentication } = external;
  const { embedded, refreshMs, up, log } = options;
  const { AmqpEdge } = await import("./edge/external/amqp-edge.ts");
  return AmqpEdge.start(policy, {
    ...{ url, bridge, queue, refreshMs, up, log },
    httpAuthentication: authentication !== undefined,
    receiveMaximum: embedded.receiveMaximum,
    seenIntervalMs: embedded.seenIntervalMs,
  });
}

async function startMqtt(policy: EdgePolicy, external: ExternalBroker, options: StartOptions): Promise<Edge> {
  const { url, bridge, arrivalsFile, passwordFile, aclFile, pidFile, filesRefreshMs = 60_000 } = external;
  const { embedded, refreshMs, accounts, up, log } = options;
  const { MosquittoEdge } = await import("./edge/external/mosquitto-edge.ts");
  const { BrokerFiles } = await import("./edge/external/broker-files.ts");
  const files =
    passwordFile === undefined || aclFile === undefined
      ? undefined
      : new BrokerFiles({ url, passwordFile, aclFile, pidFile, refreshMs: filesRefreshMs, accounts, log });
  return MosquittoEdge.start(policy, {
    ...{ url, bridge, arrivalsFile, files, refreshMs, up, log },
    httpAuthentication: external.authentication !== undefined,
    synchronous: embedded.synchronous,
    receiveMaximum: embedded.receiveMaximum,
    sessionSeconds: embedded.maxSessionSeconds,
    maxPacketBytes: embedded.maxPacketBytes,
    seenIntervalMs: embedded.seenIntervalMs,
  });
}
