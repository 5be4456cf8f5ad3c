import type { Tracing } from "../../lib/tracing/tracing.ts";
import type { EdgePolicy } from "./edge/edge-policy.ts";

/** The policy, with a span from each traced PUBLISH to its commit; what the message leads to is below it. */
export const tracedPolicy = (policy: EdgePolicy, tracing: Tracing): EdgePolicy => ({
  ...policy,
  async receive(device, message) {
    const span = tracing.start("mqtt publish", "server", message.traceparent);
    if (!span) return policy.receive(device, message);
    span.set({
      "messaging.system": "mqtt",
      "messaging.destination.name": message.topic,
      "messaging.message.body.size": message.payload.length,
      "ganglion.tenant.id": device.tenantId,
      "ganglion.device.id": device.deviceId,
    });
    message.headers = { traceparent: span.traceparent };
    try {
      const outcome = await policy.receive(device, message);
      span.end(outcome);
      return outcome;
    } catch (error) {
      span.end(error);
      throw error;
    }
  },
});
