import type { Model } from "mongoose";
import type { DeviceChange } from "../../schemas/device.ts";
import { credentialsOf } from "./credential.ts";
import { type DeviceDocument, keyOf } from "./device.model.ts";
import { pairsOf } from "./device.ts";
import { DeviceExistsError, DeviceNotFoundError } from "./errors.ts";

const DUPLICATE_KEY = 11_000;
/** Every read and write of a device that callers can see begins with it. */
const LIVING = { deleting: { $exists: false } } as const;

/** The stored devices: one document each, every change of one in one step. */
export class Devices {
  readonly model: Model<DeviceDocument>;

  constructor(model: Model<DeviceDocument>) {
    this.model = model;
  }

  /** @throws DeviceExistsError */
  async insert(device: DeviceDocument): Promise<void> {
    try {
      await this.model.create(device);
    } catch (error) {
      if ((error as { code?: number }).code === DUPLICATE_KEY) throw new DeviceExistsError(device.deviceId);
      throw error;
    }
  }

  /** Inserts all but those whose id is taken; gives their places in the list. */
  async insertNew(devices: readonly DeviceDocument[]): Promise<Set<number>> {
    try {
      if (devices.length > 0)
        await this.model.bulkWrite(
          devices.map((document) => ({ insertOne: { document } })),
          { ordered: false },
        );
      return new Set();
    } catch (error) {
      const { writeErrors = [] } = error as { writeErrors?: { code: number; index: number }[] };
      if (writeErrors.length === 0 || writeErrors.some(({ code }) => code !== DUPLICATE_KEY)) throw error;
      return new Set(writeErrors.map(({ index }) => index));
    }
  }

  async find(tenantId: string, deviceId: string): Promise<DeviceDocument | undefined> {
    const device = await this.model.findOne({ _id: keyOf(tenantId, deviceId), ...LIVING }).lean<DeviceDocument>();
    return device ?? undefined;
  }

  /** The next devices of all tenants by key, those that are being deleted too. */
  after(key: string | undefined, limit: number): Promise<DeviceDocument[]> {
    return this.model
      .find(key === undefined ? {} : { _id: { $gt: key } })
      .sort({ _id: 1 })
      .limit(limit)
      .lean<DeviceDocument[]>();
  }

  /** @throws DeviceNotFoundError */
  async get(tenantId: string, deviceId: string): Promise<DeviceDocument> {
    const device = await this.find(tenantId, deviceId);
    if (!device) throw new DeviceNotFoundError(deviceId);
    return device;
  }

  /** @throws DeviceNotFoundError */
  async change(tenantId: string, { deviceId, ...change }: DeviceChange): Promise<DeviceDocument> {
    const { name, type, groups, tags, status } = change;
    const $set = {
      ...(typeof name === "string" ? { name } : {}),
      ...(typeof type === "string" ? { type } : {}),
      ...(groups ? { groups } : {}),
      ...(tags ? { tags: pairsOf(tags) } : {}),
      ...(status ? { status } : {}),
    };
    const $unset = { ...(name === null ? { name: 1 } : {}), ...(type === null ? { type: 1 } : {}) };
    const update = {
      ...(Object.keys($set).length > 0 ? { $set } : {}),
      ...(Object.keys($unset).length > 0 ? { $unset } : {}),
    };
    if (Object.keys(update).length === 0) return this.get(tenantId, deviceId);
    const device = await this.model
      .findOneAndUpdate({ _id: keyOf(tenantId, deviceId), ...LIVING }, update, { returnDocument: "after" })
      .lean<DeviceDocument>();
    if (!device) throw new DeviceNotFoundError(deviceId);
    return device;
  }

  /** The device with its credentials in today's form. @throws DeviceNotFoundError */
  async withCredentials(tenantId: string, deviceId: string): Promise<DeviceDocument> {
    const device = await this.get(tenantId, deviceId);
    const { _id, credential } = device;
    if (!credential) return device;
    // By its id: another call may have done it meanwhile, and more.
    await this.model.updateOne(
      { _id, "credential.credentialId": credential.credentialId },
      { $set: { credentials: credentialsOf(device) }, $unset: { credential: 1 } },
    );
    return this.get(tenantId, deviceId);
  }

  /** Opens the next session epoch where the digest is a credential's; one step: what is revoked in between opens none. */
  async openSession(tenantId: string, deviceId: string, digest: string): Promise<DeviceDocument | undefined> {
    const device = await this.model
      .findOneAndUpdate(
        {
          _id: keyOf(tenantId, deviceId),
          ...LIVING,
          status: { $ne: "suspended" },
          $or: [{ "credentials.digest": digest }, { "credential.digest": digest }],
        },
        { $inc: { sessionEpoch: 1 } },
        { returnDocument: "after" },
      )
      .lean<DeviceDocument>();
    return device ?? undefined;
  }

  /**
   * Makes the device invisible, for good. Again for one that is: a deletion that was cut off goes on; readings that were
   * to be deleted then are.
   *
   * @throws DeviceNotFoundError
   */
  async markDeleting(tenantId: string, deviceId: string, at: Date, withReadings: boolean): Promise<DeviceDocument> {
    const device = await this.model
      .findOneAndUpdate(
        { _id: keyOf(tenantId, deviceId) },
        { $set: { "deleting.at": at, ...(withReadings ? { "deleting.readings": "delete" } : {}) } },
        { returnDocument: "after" },
      )
      .lean<DeviceDocument>();
    if (!device) throw new DeviceNotFoundError(deviceId);
    return device;
  }

  /** Those whose deletion was begun before `at`. */
  deleting(at: Date, limit: number): Promise<DeviceDocument[]> {
    return this.model
      .find({ "deleting.at": { $lt: at } })
      .limit(limit)
      .lean<DeviceDocument[]>();
  }

  async remove({ _id }: DeviceDocument): Promise<void> {
    await this.model.deleteOne({ _id, "deleting.at": { $exists: true } });
  }
}
