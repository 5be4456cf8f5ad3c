import type { ActionsOf } from "../lib/contract.ts";
import { audit } from "./audit.ts";
import { deadLetters } from "./dead-letters.ts";
import { deviceRegistry } from "./device-registry.ts";
import { mail } from "./mail.ts";
import { mqttBridge } from "./mqtt-bridge.ts";
import { oauth } from "./oauth.ts";
import { rejectedMessages, telemetry, telemetryLatest, telemetryRetention, telemetryStore } from "./telemetry.ts";
import { users } from "./users.ts";

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
  audit,
  users,
  mail,
] as const;
export type Actions = ActionsOf<typeof deviceRegistry> &
  ActionsOf<typeof telemetry> &
  ActionsOf<typeof telemetryLatest> &
  ActionsOf<typeof rejectedMessages> &
  ActionsOf<typeof mqttBridge> &
  ActionsOf<typeof deadLetters> &
  ActionsOf<typeof oauth> &
  ActionsOf<typeof audit> &
  ActionsOf<typeof users>;
