import type { IPublishPacket } from "mqtt-packet";

/** Stands for a topic that can't be: an ordinary name for the broker, which would cut the connection without a reason. */
export const INVALID_TOPIC = "@invalid";

const SLASH = 47;

/** Replaces the topic of a PUBLISH that is too long, too deep or has a wildcard (MQTT-3.3.2-2), in place. */
export function limitTopic(packet: { cmd: string }, maxBytes: number, maxLevels: number): void {
  if (packet.cmd !== "publish") return;
  const publish = packet as IPublishPacket;
  const { topic } = publish;
  // The common case costs one scan of a short text.
  let levels = 1;
  for (let index = 0; index < topic.length; index++) {
    const unit = topic.charCodeAt(index);
    if (unit === SLASH) levels++;
    else if (unit === 35 || unit === 43) levels = Number.POSITIVE_INFINITY; // # and +
  }
  const long = topic.length * 3 > maxBytes && Buffer.byteLength(topic) > maxBytes;
  if (levels > maxLevels || long) publish.topic = INVALID_TOPIC;
}
