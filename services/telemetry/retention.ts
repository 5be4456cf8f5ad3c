import type { DeviceKey, ReadingStore } from "./reading-store/reading-store.ts";

/** Days that readings are kept; null = nothing is said. */
export interface RetentionRules {
  ofTenant: number | null;
  /** By device id, from its type. */
  ofDevices: ReadonlyMap<string, number | null>;
  /** Where neither says; 0 = for ever. */
  byDefault: number;
}

export interface RetentionRun {
  readings: Pick<ReadingStore, "devices" | "delete">;
  /** Of up to `pageSize` devices of a tenant. @throws where the rules are not known: then nothing may be deleted. */
  rulesOf(tenantId: string, deviceIds: string[]): Promise<RetentionRules>;
  /** Told of each device that keeps nothing before `to` any more, also where there was nothing to delete. */
  deleted(device: DeviceKey, to: number, count: number): Promise<void>;
  now(): number;
  signal: AbortSignal;
  /** @default 1000 */
  pageSize?: number;
}

const DAY_MICROS = 86_400_000_000;

/** As the device's type says, else its tenant, else the configuration; undefined = for ever. */
export function retentionDaysOf({ ofTenant, ofDevices, byDefault }: RetentionRules, deviceId: string) {
  const days = ofDevices.get(deviceId) ?? ofTenant ?? byDefault;
  return days > 0 ? days : undefined;
}

/** One look at every device: what is older than it has to be kept goes. Ends early when the signal is aborted. */
export async function enforceRetention(run: RetentionRun): Promise<void> {
  const { readings, rulesOf, deleted, now, signal, pageSize: limit = 1000 } = run;
  for (let after: DeviceKey | undefined; !signal.aborted; ) {
    const page = await readings.devices({ after, limit });
    for (const [tenantId, devices] of Map.groupBy(page, (device) => device.tenantId)) {
      const rules = await rulesOf(
        tenantId,
        devices.map(({ deviceId }) => deviceId),
      );
      for (const device of devices) {
        if (signal.aborted) return;
        const days = retentionDaysOf(rules, device.deviceId);
        if (days === undefined) continue;
        const to = now() - days * DAY_MICROS;
        const count = await readings.delete({ ...device, to });
        await deleted(device, to, count);
      }
    }
    if (page.length < limit) return;
    after = page.at(-1);
  }
}
