import type { TelemetryReading, TelemetryReceived } from "../../../../schemas/telemetry.ts";
import type { Arrival, Names } from "./names.ts";

/** A reading and the message that brought it. */
export interface Arrived {
  message: TelemetryReceived;
  /** Where it is named, as it came first: its instant is part of its key. */
  reading: TelemetryReading;
}

/** The readings of a batch, in their order. */
export async function firstArrivals(names: Names, batch: readonly TelemetryReceived[]): Promise<Arrived[]> {
  const arrivals: Arrival[] = [];
  for (const { tenantId, deviceId, receivedAt, readings } of batch)
    for (const { named, ts, seq } of readings) if (named) arrivals.push({ tenantId, deviceId, receivedAt, ts, seq });
  const times = (await names.firstTimes(arrivals)).values();
  return batch.flatMap((message) =>
    message.readings.map((reading) => ({
      message,
      reading: reading.named ? { ...reading, ts: times.next().value ?? reading.ts } : reading,
    })),
  );
}
