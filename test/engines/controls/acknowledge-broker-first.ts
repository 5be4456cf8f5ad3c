// A build broken on purpose, loaded before the platform: the broker is told that a message is stored, and then it is.
import { setTimeout as sleep } from "node:timers/promises";
import { Intake } from "../../../services/mqtt-bridge/edge/external/intake.ts";

/** A commit takes a millisecond or two: without this a handful of kills may miss every moment between the two. */
const BETWEEN_MS = 100;

const { take } = Intake.prototype;
Intake.prototype.take = function (brought) {
  sleep(BETWEEN_MS)
    .then(() => take.call(this, brought))
    .catch(() => {});
  return Promise.resolve(undefined);
};
