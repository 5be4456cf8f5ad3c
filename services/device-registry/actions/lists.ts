import { cursorOf, placeOf } from "../../../lib/cursor.ts";
import { tenantOf } from "../../../lib/meta.ts";
import { DeviceId } from "../../../schemas/common.ts";
import { Label } from "../../../schemas/device.ts";
import { deviceOf } from "../device.ts";
import { deviceFilter, isSelective } from "../device-filter.ts";
import { countGroups, searchDevices } from "../device-search.ts";
import { registryActions, view } from "../registry.ts";

/** What there is: devices by a filter, and the groups that they are in. */
export const listActions = registryActions({
  async list(ctx) {
    const { cursor, limit, ...filter } = ctx.params;
    const tenantId = tenantOf(ctx);
    const list = ["devices", tenantId, Object.entries(filter).sort()];
    const seen = view(this.settings);
    const { devices, next } = await searchDevices(this.devices.model, {
      tenantId,
      type: filter.type,
      after: cursor === undefined ? undefined : placeOf(cursor, list, DeviceId),
      matches: isSelective(filter) ? deviceFilter(filter, seen) : () => true,
      limit,
      examinedMax: this.settings.examinedMax,
    });
    return {
      items: devices.map((device) => deviceOf(device, seen)),
      ...(next === undefined ? {} : { nextCursor: cursorOf(next, list) }),
    };
  },

  async listGroups(ctx) {
    const { cursor, limit } = ctx.params;
    const tenantId = tenantOf(ctx);
    const list = ["groups", tenantId];
    const after = cursor === undefined ? undefined : placeOf(cursor, list, Label);
    const groups = (await countGroups(this.devices.model, tenantId)).filter(
      ([name]) => after === undefined || name > after,
    );
    const last = groups[limit - 1];
    return {
      items: groups.slice(0, limit).map(([name, devices]) => ({ name, devices })),
      ...(groups.length > limit && last ? { nextCursor: cursorOf(last[0], list) } : {}),
    };
  },
});
