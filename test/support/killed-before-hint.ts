// Loaded before the platform: the process that has stored a device's second configuration is killed before it tells
// anybody of it.
import moleculer from "moleculer";

const { prototype } = moleculer.ServiceBroker;
const { broadcast } = prototype;
let configs = 0;
prototype.broadcast = function (this: never, event: string, ...rest: unknown[]) {
  if (event === "device.config-changed" && ++configs === 2) process.kill(process.pid, "SIGKILL");
  return broadcast.call(this, event, ...(rest as []));
} as typeof broadcast;
