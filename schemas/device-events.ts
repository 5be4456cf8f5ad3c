/** What an edge saw of a device: the fact on `device.events`. */
export type DeviceEvent = DeviceEventBase &
  (
    | {
        kind: "connected";
        /** Keep-alive in force, seconds; 0 = none. */
        keepAliveSeconds: number;
        /** Such as `mqtt`. */
        protocol: string;
      }
    | {
        kind: "disconnected";
        /** `client` = as the protocol wants it; `will` = the connection broke and the will was published. */
        reason: "client" | "network" | "keep-alive" | "taken-over" | "server" | "will";
      }
    /** It sent something since the last `seen`; edges batch these, one per connection and interval at most. */
    | { kind: "seen" }
    | { kind: "heartbeat" }
    /** What the device says of itself: the JSON object of its status message. */
    | { kind: "status"; status: Record<string, unknown> }
  );

interface DeviceEventBase {
  tenantId: string;
  deviceId: string;
  /** Of the connection it is about: an event of an older epoch than the device's changes nothing. */
  sessionEpoch: number;
  /** When it happened, microseconds since 1970. */
  at: number;
  /** From an edge that is told of no connections: that the device was heard of says nothing of whether it is connected. */
  presence?: "unknown";
}
