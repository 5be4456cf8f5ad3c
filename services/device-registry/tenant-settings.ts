import { type Connection, type Model, Schema } from "mongoose";

interface SettingsDocument {
  /** The tenant. */
  _id: string;
  retentionDays?: number | null;
}

const schema = new Schema<SettingsDocument>(
  { _id: { type: String, required: true }, retentionDays: Number },
  { versionKey: false, collection: "tenant-settings" },
);

/** What a tenant decides for all its devices. */
export class TenantSettings {
  readonly #settings: Model<SettingsDocument>;

  constructor(connection: Connection) {
    this.#settings = connection.model<SettingsDocument>("TenantSettings", schema);
  }

  async get(tenantId: string): Promise<{ retentionDays: number | null }> {
    const found = await this.#settings.findOne({ _id: tenantId }).lean();
    return { retentionDays: found?.retentionDays ?? null };
  }

  async put(tenantId: string, { retentionDays }: { retentionDays: number | null }): Promise<void> {
    await this.#settings.updateOne({ _id: tenantId }, { $set: { retentionDays } }, { upsert: true });
  }
}
