import type { Model } from "mongoose";
import type { DeviceTypeDocument } from "./device-type.model.ts";
import type { Devices } from "./devices.ts";
import { DeviceTypeInUseError, DeviceTypeNotFoundError } from "./errors.ts";

type Content = Pick<DeviceTypeDocument, "telemetrySchema" | "metrics" | "retentionDays" | "updatedAt">;
const CONTENT = ["telemetrySchema", "metrics", "retentionDays"] as const;

/** The stored device types. A device may have a type that is not defined: it is a name then, without rules. */
export class DeviceTypes {
  readonly #types: Model<DeviceTypeDocument>;
  readonly #devices: Devices;

  constructor(types: Model<DeviceTypeDocument>, devices: Devices) {
    this.#types = types;
    this.#devices = devices;
  }

  /** Replaces all of it, and counts the change. */
  async put(tenantId: string, typeId: string, content: Content): Promise<DeviceTypeDocument> {
    const absent = CONTENT.filter((field) => content[field] === undefined);
    const type = await this.#types
      .findOneAndUpdate(
        { _id: keyOf(tenantId, typeId) },
        {
          $set: Object.fromEntries(Object.entries(content).filter(([, value]) => value !== undefined)),
          ...(absent.length > 0 ? { $unset: Object.fromEntries(absent.map((field) => [field, 1])) } : {}),
          $setOnInsert: { tenantId, typeId },
          $inc: { version: 1 },
        },
        { upsert: true, returnDocument: "after" },
      )
      .lean<DeviceTypeDocument>();
    return type as DeviceTypeDocument; // An upsert always gives one.
  }

  async find(tenantId: string, typeId: string): Promise<DeviceTypeDocument | undefined> {
    return (await this.#types.findOne({ _id: keyOf(tenantId, typeId) }).lean<DeviceTypeDocument>()) ?? undefined;
  }

  /** By id, those behind `after`. */
  list(tenantId: string, after: string | undefined, limit: number): Promise<DeviceTypeDocument[]> {
    return this.#types
      .find({ tenantId, ...(after === undefined ? {} : { typeId: { $gt: after } }) })
      .sort({ typeId: 1 })
      .limit(limit)
      .lean<DeviceTypeDocument[]>();
  }

  /** @throws DeviceTypeInUseError, DeviceTypeNotFoundError */
  async delete(tenantId: string, typeId: string): Promise<void> {
    const user = await this.#devices.model.findOne({ tenantId, type: typeId, deleting: { $exists: false } }).lean();
    if (user) throw new DeviceTypeInUseError(typeId, user.deviceId);
    const { deletedCount } = await this.#types.deleteOne({ _id: keyOf(tenantId, typeId) });
    if (deletedCount === 0) throw new DeviceTypeNotFoundError(typeId);
  }

  /** Days that readings are kept, of the devices whose type says so. */
  async retentionOf(tenantId: string, deviceIds: readonly string[]): Promise<Map<string, number>> {
    const keys = deviceIds.map((deviceId) => `${tenantId}/${deviceId}`);
    const devices = await this.#devices.model.find({ _id: { $in: keys } }, { deviceId: 1, type: 1 }).lean();
    const names = [...new Set(devices.flatMap(({ type }) => (type === undefined ? [] : [keyOf(tenantId, type)])))];
    const types = await this.#types.find({ _id: { $in: names } }, { typeId: 1, retentionDays: 1 }).lean();
    const days = new Map(types.map(({ typeId, retentionDays }) => [typeId, retentionDays]));
    return new Map(
      devices.flatMap(({ deviceId, type }) => {
        const kept = type === undefined ? undefined : days.get(type);
        return kept === undefined ? [] : [[deviceId, kept]];
      }),
    );
  }
}

const keyOf = (tenantId: string, typeId: string): string => `${tenantId}/${typeId}`;
