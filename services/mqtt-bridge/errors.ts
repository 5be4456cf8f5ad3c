import { Errors } from "moleculer";

/** 422 with the reason, naming the field: the payload means nothing now either. */
export class ResubmissionRefusedError extends Errors.ValidationError {
  constructor(reason: string) {
    super("Invalid parameters.", "VALIDATION_ERROR", [{ field: "payload", message: reason }]);
  }
}

/** 409: no dialect knows the topic as the device's own. */
export class TopicUnknownError extends Errors.MoleculerClientError {
  constructor(topic: string) {
    super(`Topic '${topic}' carries no telemetry of the device.`, 409, "TOPIC_UNKNOWN", { topic });
  }
}
