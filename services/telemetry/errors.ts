import { Errors } from "moleculer";

/** 422: a reading that no store can ever keep, so that trying again is pointless; `data` says which and why. */
export class ReadingRefusedError extends Errors.MoleculerClientError {
  constructor(tenantId: string, deviceId: string, field: string, reason: string) {
    super(`Reading of device '${deviceId}' refused: ${field} ${reason}.`, 422, "READING_REFUSED", {
      tenantId,
      deviceId,
      field,
      reason,
    });
  }
}

/** 422 naming the parameter that cannot be used, as the parsing of parameters reports it. */
export class ParameterError extends Errors.ValidationError {
  constructor(field: string, message: string) {
    super("Invalid parameters.", "VALIDATION_ERROR", [{ field, message }]);
  }
}

/** 404: no such rejected message, or another tenant's (indistinguishable on purpose). */
export class RejectedMessageNotFoundError extends Errors.MoleculerClientError {
  constructor(rejectionId: string) {
    super(`Rejected message '${rejectionId}' not found.`, 404, "REJECTED_MESSAGE_NOT_FOUND", { rejectionId });
  }
}

/** 409: only active devices send telemetry. */
export class DeviceNotActiveError extends Errors.MoleculerClientError {
  constructor(deviceId: string, status: string) {
    super(`Device '${deviceId}' is ${status}.`, 409, "DEVICE_NOT_ACTIVE", { deviceId, status });
  }
}
