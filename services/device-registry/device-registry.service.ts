import { defineService } from "../../lib/service.ts";
import { documentStore } from "../../mixins/document-store.mixin.ts";
import { deviceRegistry } from "../../schemas/device-registry.ts";
import { configActions } from "./actions/configs.ts";
import { credentialActions } from "./actions/credentials.ts";
import { deviceActions } from "./actions/devices.ts";
import { listActions } from "./actions/lists.ts";
import { settingsActions } from "./actions/settings.ts";
import { typeActions } from "./actions/types.ts";
import { Credentials } from "./credentials.ts";
import { Deletion } from "./deletion.ts";
import { deviceModel } from "./device.model.ts";
import { deviceConfigModel } from "./device-config.model.ts";
import { DeviceConfigs } from "./device-configs.ts";
import { followEvents } from "./device-events.ts";
import { deviceTypeModel } from "./device-type.model.ts";
import { DeviceTypes } from "./device-types.ts";
import { Devices } from "./devices.ts";
import type { Settings, Stores } from "./registry.ts";
import { TenantSettings } from "./tenant-settings.ts";

const SWEEP_MS = 60_000;

export default defineService(deviceRegistry, {
  mixins: [documentStore],
  settings: {
    batchLinesMax: 10_000,
    batchBytesMax: 16_777_216,
    configBytesMax: 65_536,
    schemaBytesMax: 65_536,
    examinedMax: 20_000,
    graceSeconds: 60,
  } as Settings,
  state: () => ({ ...({} as Stores), sweeper: undefined as NodeJS.Timeout | undefined }),

  async started() {
    const devices = deviceModel(this.documents);
    const types = deviceTypeModel(this.documents);
    const configs = deviceConfigModel(this.documents);
    await Promise.all([devices.init(), types.init(), configs.init()]);
    this.devices = new Devices(devices);
    this.credentials = new Credentials(this.devices);
    this.types = new DeviceTypes(types, this.devices);
    this.configs = new DeviceConfigs(configs);
    this.tenants = new TenantSettings(this.documents);
    this.deletion = new Deletion(this.devices, this.configs, async (tenantId, deviceId) => {
      const [device, opts] = [{ deviceId }, { meta: { tenantId } }];
      await this.broker.call("telemetry.deleteReadings", device, opts);
      await this.broker.call("rejected-messages.forget", device, opts);
      await this.broker.call("dead-letters.forget", device, opts);
    });
  },

  /** What was cut off by the end of the last process is finished now. */
  async opened() {
    const sweep = () =>
      this.deletion
        .sweep(new Date())
        .catch((error: unknown) => this.logger.warn("A deletion could not be finished; tried again.", { error }));
    await sweep();
    this.sweeper = setInterval(sweep, SWEEP_MS).unref();
  },

  stopped() {
    clearInterval(this.sweeper);
  },

  actions: {
    ...deviceActions,
    ...listActions,
    ...credentialActions,
    ...configActions,
    ...typeActions,
    ...settingsActions,
  },

  channels: {
    "device.events": {
      group: "connection-status",
      handler({ params: batch }) {
        return followEvents(this.devices.model, batch);
      },
    },
  },
});
