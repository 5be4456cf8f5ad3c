/** What an MQTT edge can do beyond carrying messages; what a deployment relies on is named in `MQTT_REQUIRE`. */
export const CAPABILITIES = [
  /** Devices may speak MQTT 5. */
  "mqtt-5",
  /** Several bridges share the messages of one broker. */
  "shared-subscriptions",
  /** The broker asks this platform, for each connection, whether it may be. */
  "http-authentication",
  /** The connection of a device whose access is revoked is ended. */
  "kick",
  /** The platform is told when a device connects and when it is gone. */
  "presence",
  /** The acknowledgement that a device gets says that its message is durable here. */
  "durable-acknowledgement",
] as const;

export type Capability = (typeof CAPABILITIES)[number];
export type EdgeCapabilities = Readonly<Record<Capability, boolean>>;
