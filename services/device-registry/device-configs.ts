import type { Model } from "mongoose";
import type { DeviceDocument } from "./device.model.ts";
import type { DeviceConfigDocument } from "./device-config.model.ts";
import { ConfigVersionError } from "./errors.ts";

const DUPLICATE_KEY = 11_000;

/** The stored configurations of devices. */
export class DeviceConfigs {
  readonly #configs: Model<DeviceConfigDocument>;

  constructor(configs: Model<DeviceConfigDocument>) {
    this.#configs = configs;
  }

  async find(device: DeviceDocument): Promise<DeviceConfigDocument | undefined> {
    return (await this.#configs.findOne({ _id: keyOf(device) }).lean<DeviceConfigDocument>()) ?? undefined;
  }

  /**
   * Makes it the next version.
   *
   * @param expected the version that it replaces, 0 for none; undefined = whichever.
   * @throws ConfigVersionError where the stored one is another.
   */
  async put(device: DeviceDocument, config: string, expected: number | undefined, updatedAt: Date) {
    const _id = keyOf(device);
    if (expected === 0) return this.#first({ _id, version: 1, config, updatedAt });
    const changed = await this.#configs
      .findOneAndUpdate(
        { _id, ...(expected === undefined ? {} : { version: expected }) },
        { $set: { config, updatedAt }, $inc: { version: 1 } },
        { upsert: expected === undefined, returnDocument: "after" },
      )
      .lean<DeviceConfigDocument>();
    if (!changed) throw new ConfigVersionError((await this.#configs.findOne({ _id }).lean())?.version ?? 0);
    return changed;
  }

  async #first(document: DeviceConfigDocument): Promise<DeviceConfigDocument> {
    const { _id } = document;
    try {
      await this.#configs.create(document);
      return document;
    } catch (error) {
      if ((error as { code?: number }).code !== DUPLICATE_KEY) throw error;
      throw new ConfigVersionError((await this.#configs.findOne({ _id }).lean())?.version ?? 0);
    }
  }

  /** Devices by key whose configuration was put at `since` or later; `next` goes on behind them. */
  async changedSince(since: Date, after: string | undefined, limit: number) {
    const found = await this.#configs
      .find({ updatedAt: { $gte: since }, ...(after === undefined ? {} : { _id: { $gt: after } }) })
      .sort({ _id: 1 })
      .limit(limit)
      .lean<DeviceConfigDocument[]>();
    const next = found.length < limit ? undefined : found.at(-1)?._id;
    return { items: found.map(({ _id }) => deviceOfKey(_id)), ...(next === undefined ? {} : { next }) };
  }

  async remove(device: DeviceDocument): Promise<void> {
    await this.#configs.deleteOne({ _id: keyOf(device) });
  }
}

/** With the time of the registration: a device that is deleted and made anew begins without one, whatever was under way. */
const keyOf = ({ _id, createdAt }: DeviceDocument): string => `${_id}@${createdAt.getTime()}`;

function deviceOfKey(key: string): { tenantId: string; deviceId: string } {
  const [tenantId = "", deviceId = ""] = key.slice(0, key.lastIndexOf("@")).split("/");
  return { tenantId, deviceId };
}
