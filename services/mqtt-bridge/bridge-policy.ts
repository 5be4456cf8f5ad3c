import type { TypeSchema, TypeSchemas } from "../../lib/readings/type-schemas.ts";
import type { DeviceConfigs } from "./device-configs.ts";
import type { DeviceEvents } from "./device-events.ts";
import type { Dialect } from "./dialects/dialect.ts";
import type { Outcome } from "./edge/acknowledge.ts";
import { CredentialError, type DeviceKey, type EdgePolicy, type InboundMessage } from "./edge/edge-policy.ts";
import type { Uplink } from "./uplink.ts";

/** A device and the dialect that it speaks. The edge hands back the very object that `identify` gave it. */
interface SpeakingDevice extends DeviceKey {
  readonly dialect: Dialect;
  /** What its readings must be like, null where they may be anything; set when it is authenticated. */
  schema?: TypeSchema | null;
}

export interface BridgeParts {
  dialects: readonly Dialect[];
  uplink: Uplink;
  events: DeviceEvents;
  configs: DeviceConfigs;
  /** Asks the registry. */
  authenticate(
    credential: DeviceKey & { secret: string },
  ): Promise<{ sessionEpoch: number; type?: string | undefined }>;
  /** Asks the registry, without opening a session. */
  verify(credential: DeviceKey & { secret: string }): Promise<void>;
  /** Asks the registry for a device whose credential its broker has checked; null where there is none. */
  recognise(
    device: DeviceKey,
  ): Promise<{ sessionEpoch: number; status: "active" | "suspended"; type?: string | undefined } | null>;
  /** Asks the registry for the type of a device that was authenticated by a former process. */
  typeOf(device: DeviceKey): Promise<string | undefined>;
  schemas: Pick<TypeSchemas, "of">;
}

/** Refusals of the registry that are the client's fault; compared by type, which survives the way between nodes. */
const CLIENT_FAULTS: ReadonlySet<unknown> = new Set(["CREDENTIAL_REFUSED", "VALIDATION_ERROR"]);

/** A refused credential as the edge knows it; whatever else went wrong, as it is. */
function credentialError(cause: unknown): unknown {
  return CLIENT_FAULTS.has((cause as { type?: unknown }).type)
    ? new CredentialError("user name and password are not accepted", { cause })
    : cause;
}

/** What the edge may do for whom, answered by the dialects, the registry and the uplink. */
export function bridgePolicy(parts: BridgeParts): EdgePolicy {
  const { dialects, uplink, events, configs, authenticate, verify, typeOf, schemas } = parts;
  const schemaOf = async (tenantId: string, type: string | undefined) =>
    type === undefined ? null : schemas.of(tenantId, type);

  /** The will of a connection that a crash has ended. */
  async function receiveLeftBehind(device: SpeakingDevice, message: InboundMessage): Promise<Outcome> {
    try {
      device.schema = await schemaOf(device.tenantId, await typeOf(device));
    } catch (error) {
      return uplink.reject(device, message, `its device type is not known: ${(error as Error).message}`);
    }
    return uplink.receive(device.dialect, device, message, device.schema ?? undefined);
  }

  return {
    identify(connect): SpeakingDevice | undefined {
      for (const dialect of dialects) {
        const key = dialect.identify(connect);
        if (key) return { ...key, dialect };
      }
      return undefined;
    },

    async authenticate(device: SpeakingDevice, secret) {
      const { tenantId, deviceId } = device;
      try {
        const session = await authenticate({ tenantId, deviceId, secret });
        device.schema = await schemaOf(tenantId, session.type);
        return session;
      } catch (cause) {
        throw credentialError(cause);
      }
    },

    async verify({ tenantId, deviceId }, secret) {
      try {
        await verify({ tenantId, deviceId, secret });
      } catch (cause) {
        throw credentialError(cause);
      }
    },

    async recognise(device: SpeakingDevice) {
      const { tenantId, deviceId } = device;
      const known = await parts.recognise({ tenantId, deviceId });
      if (!known) return { sessionEpoch: 0, refused: "the device is not known", unknown: true };
      const { sessionEpoch, status, type } = known;
      if (status === "suspended") return { sessionEpoch, refused: "the device is suspended" };
      device.schema = await schemaOf(tenantId, type);
      return { sessionEpoch };
    },

    reject: (device, message, reason) => uplink.reject(device, message, reason),

    mayPublish: ({ dialect, deviceId }: SpeakingDevice, topic) => dialect.uplink(topic, deviceId) !== undefined,
    maySubscribe: ({ dialect, deviceId }: SpeakingDevice, filter) => dialect.maySubscribe(filter, deviceId),
    canonical: ({ dialect, deviceId }: SpeakingDevice, filter) => dialect.canonical(filter, deviceId),

    receive(device: SpeakingDevice, message) {
      const { dialect, deviceId } = device;
      const kind = dialect.uplink(message.topic, deviceId);
      // Where a will's sender is known by name only, its dialect was asked when it connected.
      if (kind === "status" || kind === "heartbeat") return events.receive(kind, device, message);
      if (device.schema === undefined) return receiveLeftBehind(device, message);
      return uplink.receive(dialect, device, message, device.schema ?? undefined);
    },

    async current(device: SpeakingDevice, filter) {
      return filter === device.dialect.configTopic(device.deviceId) ? configs.current(device) : undefined;
    },

    connected: (device, fact) => events.connected(device, fact),
    disconnected: (device, fact) => events.disconnected(device, fact),
    seen: (device, fact) => events.seen(device, fact),
  };
}
