import type { ActionsOf } from "../lib/contract.ts";
import { deadLetters } from "./dead-letters.ts";
import { deviceRegistry } from "./device-registry.ts";
import { mqttBridge } from "./mqtt-bridge.ts";
import { oauth } from "./oauth.ts";
import { rejectedMessages, telemetry, telemetryLatest, telemetryRetention, telemetryStore } from "./telemetry.ts";

/** Every service contract; the gateway, the OpenAPI document and the typed `call` all read this list. */
export const contracts = [
  deviceRegistry,
  mqttBridge,
  telemetry,
  telemetryStore,
  telemetryLatest,
  telemetryRetention,
  rejectedMessages,
  deadLetters,
  oauth,
] as const;
export type Actions = ActionsOf<typeof deviceRegistry> &
  ActionsOf<typeof telemetry> &
  ActionsOf<typeof telemetryLatest> &
  ActionsOf<typeof rejectedMessages> &
  ActionsOf<typeof mqttBridge> &
  ActionsOf<typeof deadLetters> &
  ActionsOf<typeof oauth>;
