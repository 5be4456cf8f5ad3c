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

/** 409: the device has as many credentials as it may have. */
export class CredentialsFullError extends Errors.MoleculerClientError {
  constructor(deviceId: string, max: number) {
    super(`Device '${deviceId}' has ${max} credentials; revoke one first.`, 409, "CREDENTIALS_FULL", [
      { field: "credentials", message: `must be at most ${max}` },
    ]);
  }
}

/** 404: the device has no such credential. */
export class CredentialNotFoundError extends Errors.MoleculerClientError {
  constructor(credentialId: string) {
    super(`Credential '${credentialId}' not found.`, 404, "CREDENTIAL_NOT_FOUND", { credentialId });
  }
}

/** 404: no such device type. */
export class DeviceTypeNotFoundError extends Errors.MoleculerClientError {
  constructor(typeId: string) {
    super(`Device type '${typeId}' not found.`, 404, "DEVICE_TYPE_NOT_FOUND", { typeId });
  }
}

/** 409: a device has the type. */
export class DeviceTypeInUseError extends Errors.MoleculerClientError {
  constructor(typeId: string, deviceId: string) {
    super(`Device type '${typeId}' is in use, by device '${deviceId}' for one.`, 409, "DEVICE_TYPE_IN_USE", [
      { field: "typeId", message: `device '${deviceId}' has it` },
    ]);
  }
}

/** 404: the device has no configuration. */
export class ConfigNotFoundError extends Errors.MoleculerClientError {
  constructor(deviceId: string) {
    super(`Device '${deviceId}' has no configuration.`, 404, "CONFIG_NOT_FOUND", { deviceId });
  }
}

/** 409: the configuration has changed since the caller read it. */
export class ConfigVersionError extends Errors.MoleculerClientError {
  constructor(version: number) {
    super(`The configuration's version is ${version}.`, 409, "CONFIG_VERSION_CONFLICT", [
      { field: "expectedVersion", message: `is not the current version, ${version}` },
    ]);
  }
}

/** 413: more bytes than a batch may have. */
export class BatchTooLargeError extends Errors.MoleculerClientError {
  constructor(bytesMax: number) {
    super(`A batch must have at most ${bytesMax} bytes.`, 413, "BODY_TOO_LARGE");
  }
}
