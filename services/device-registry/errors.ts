import { Errors } from "moleculer";

/** 404: no such device, or not visible to the caller (indistinguishable on purpose). */
export class DeviceNotFoundError extends Errors.MoleculerClientError {
  constructor(deviceId: string) {
    super(`Device '${deviceId}' not found.`, 404, "DEVICE_NOT_FOUND", { deviceId });
  }
}

/** 409: the id is taken. */
export class DeviceExistsError extends Errors.MoleculerClientError {
  constructor(deviceId: string) {
    super(`Device '${deviceId}' exists already.`, 409, "DEVICE_EXISTS", { deviceId });
  }
}

/** 401: unknown device or wrong secret; which of them stays unsaid. */
export class CredentialRefusedError extends Errors.MoleculerClientError {
  constructor() {
    super("The credential is not accepted.", 401, "CREDENTIAL_REFUSED");
  }
}
