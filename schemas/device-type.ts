import { z } from "zod";
import { Instant } from "./common.ts";
import { JsonObject } from "./device.ts";
import { MetricName } from "./telemetry.ts";

export const TypeId = z
  .string()
  .regex(/^[A-Za-z0-9._:-]{1,100}$/, "must be 1 to 100 characters of A-Z a-z 0-9 . _ : -")
  .meta({ id: "TypeId", example: "boiler" });

/** Days that readings are kept. */
export const RetentionDays = z.int().min(1).max(36_500);

const METRICS_MAX = 256;
const Metrics = z
  .record(
    MetricName,
    z.strictObject({ unit: z.string().min(1).max(40).optional(), description: z.string().max(500).optional() }),
  )
  .refine((metrics) => Object.keys(metrics).length <= METRICS_MAX, `must have at most ${METRICS_MAX} metrics`);

/** What a caller says of a device type; a PUT says all of it anew. */
export const DeviceTypeDefinition = z.strictObject({
  typeId: TypeId,
  /** JSON Schema of a reading's `values`; see docs/devices.md for what is taken. */
  telemetrySchema: JsonObject.optional(),
  metrics: Metrics.optional(),
  retentionDays: RetentionDays.optional(),
});
export type DeviceTypeDefinition = z.infer<typeof DeviceTypeDefinition>;

export const DeviceType = z
  .object({
    id: TypeId,
    telemetrySchema: JsonObject.optional(),
    metrics: Metrics.optional(),
    retentionDays: RetentionDays.optional(),
    /** Counts the changes. */
    version: z.int().min(1),
    updatedAt: Instant,
  })
  .meta({ id: "DeviceType" });
export type DeviceType = z.infer<typeof DeviceType>;
