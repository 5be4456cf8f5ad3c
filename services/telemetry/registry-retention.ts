import type { TypedBroker } from "../../lib/service.ts";
import type { RetentionRules } from "./retention.ts";

/** Calls of the registry, of which this service knows these two. */
interface Registry {
  call(
    action: "device-registry.retention" | "device-registry.tenantRetention",
    params: { deviceIds?: string[] },
    opts: { meta: { tenantId: string } },
  ): Promise<{ retentionDays?: number | null; items?: { deviceId: string; retentionDays: number | null }[] }>;
}

/** What the registry says of up to 1000 devices of a tenant. @throws where it does not answer. */
export async function registryRetention(
  broker: Pick<TypedBroker, "call">,
  tenantId: string,
  deviceIds: string[],
): Promise<Omit<RetentionRules, "byDefault">> {
  const registry = broker as unknown as Registry;
  const as = { meta: { tenantId } };
  const { retentionDays = null } = await registry.call("device-registry.tenantRetention", {}, as);
  const { items = [] } = await registry.call("device-registry.retention", { deviceIds }, as);
  return { ofTenant: retentionDays, ofDevices: new Map(items.map((item) => [item.deviceId, item.retentionDays])) };
}
