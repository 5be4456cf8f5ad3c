import { actionGroup } from "../../lib/action-group.ts";
import type { TypedBroker } from "../../lib/service.ts";
import type { DocumentStoreSettings } from "../../mixins/document-store.mixin.ts";
import type { deviceRegistry } from "../../schemas/device-registry.ts";
import type { Credentials } from "./credentials.ts";
import type { Deletion } from "./deletion.ts";
import type { View } from "./device.ts";
import type { DeviceConfigs } from "./device-configs.ts";
import type { DeviceTypes } from "./device-types.ts";
import type { Devices } from "./devices.ts";
import type { TenantSettings } from "./tenant-settings.ts";

export interface Settings extends Partial<DocumentStoreSettings> {
  batchLinesMax: number;
  batchBytesMax: number;
  configBytesMax: number;
  schemaBytesMax: number;
  /** Devices that one request for a list looks at. */
  examinedMax: number;
  /** Seconds beyond 1.5 keep-alives after which a silent connection counts as lost. */
  graceSeconds: number;
}

/** What the registry's actions have in common, made in `started`, before anybody asks. */
export interface Stores {
  devices: Devices;
  credentials: Credentials;
  types: DeviceTypes;
  configs: DeviceConfigs;
  tenants: TenantSettings;
  deletion: Deletion;
}

/** The service as its actions see it. */
interface Registry extends Stores {
  settings: Settings;
  broker: TypedBroker;
}

/** Some of the registry's actions, by concept. */
export const registryActions = actionGroup<typeof deviceRegistry, Registry>();

export const view = ({ graceSeconds }: Settings): View => ({ now: Date.now(), graceSeconds });
