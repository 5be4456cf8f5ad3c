// A build broken on purpose, loaded before the platform: a message is named by counting arrivals, so that a resend is
// another message.
import { Uplink } from "../../../services/mqtt-bridge/uplink.ts";

const { receive } = Uplink.prototype;
let arrivals = Date.now();
Uplink.prototype.receive = function (dialect, device, message) {
  const { topic, payload, contentType, receivedAt, sessionEpoch } = message;
  const messageId = `arrival-${++arrivals}`;
  const arrival = () => message.arrival();
  const named = { topic, payload, contentType, receivedAt, sessionEpoch, messageId, arrival };
  return receive.call(this, dialect, device, named);
};
