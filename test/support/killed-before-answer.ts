// Loaded before the platform: the process that has used up a refresh token is killed before it keeps what it would answer.
import { SharedState } from "../../services/oauth/storage/shared-state.ts";

const { prototype } = SharedState;
const { set } = prototype;
prototype.set = function (this: SharedState, key, ...rest) {
  if (key.startsWith("refresh-answer:")) process.kill(process.pid, "SIGKILL");
  return set.call(this, key, ...rest);
};
