import { CREDENTIALS_MAX, credentialsOf, type StoredCredential } from "./credential.ts";
import type { Devices } from "./devices.ts";
import { CredentialNotFoundError, CredentialsFullError } from "./errors.ts";

/** The credentials of stored devices. */
export class Credentials {
  readonly #devices: Devices;

  constructor(devices: Devices) {
    this.#devices = devices;
  }

  /** @throws DeviceNotFoundError, CredentialsFullError */
  async add(tenantId: string, deviceId: string, credential: StoredCredential): Promise<void> {
    const { _id } = await this.#devices.withCredentials(tenantId, deviceId);
    const { matchedCount } = await this.#devices.model.updateOne(
      { _id, deleting: { $exists: false }, [`credentials.${CREDENTIALS_MAX - 1}`]: { $exists: false } },
      { $push: { credentials: credential } },
    );
    if (matchedCount > 0) return;
    await this.#devices.get(tenantId, deviceId);
    throw new CredentialsFullError(deviceId, CREDENTIALS_MAX);
  }

  /** Oldest first. @throws DeviceNotFoundError */
  async list(tenantId: string, deviceId: string): Promise<StoredCredential[]> {
    return credentialsOf(await this.#devices.get(tenantId, deviceId));
  }

  /** @throws DeviceNotFoundError, CredentialNotFoundError */
  async revoke(tenantId: string, deviceId: string, credentialId: string): Promise<void> {
    const { _id } = await this.#devices.withCredentials(tenantId, deviceId);
    const { modifiedCount } = await this.#devices.model.updateOne(
      { _id, "credentials.credentialId": credentialId },
      { $pull: { credentials: { credentialId } } },
    );
    if (modifiedCount === 0) throw new CredentialNotFoundError(credentialId);
  }
}
