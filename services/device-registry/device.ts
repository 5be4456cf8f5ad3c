import type { Device } from "../../schemas/device-registry.ts";
import type { DeviceDocument } from "./device.model.ts";

/** A stored device as callers see it: without tenant, credential and session. */
export const deviceOf = ({ deviceId, name, type, groups, tags, createdAt }: DeviceDocument): Device => ({
  id: deviceId,
  ...(name === undefined ? {} : { name }),
  ...(type === undefined ? {} : { type }),
  groups: [...groups],
  tags: Object.fromEntries(tags.map((tag) => [tag.name, tag.value])),
  createdAt: createdAt.toISOString(),
});
