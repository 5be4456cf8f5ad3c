import { defineContract } from "../lib/contract.ts";

/** The MQTT edge: talks MQTT outwards and has no actions. */
export const mqttBridge = defineContract({ name: "mqtt-bridge", actions: {} });
