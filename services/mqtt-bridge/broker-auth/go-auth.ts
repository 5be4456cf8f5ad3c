import type { Authority } from "./authority.ts";
import type { Answer, Fields, Question } from "./question.ts";

/** mosquitto-go-auth's HTTP backend, in its modes `status` and `json`. */
const answer = (allowed: boolean): Answer => ({
  status: allowed ? 200 : 403,
  type: "application/json",
  body: JSON.stringify({ Ok: allowed, Error: allowed ? "" : "not allowed" }),
});

/** mosquitto's kinds of access. */
const READ = "1";
const WRITE = "2";
const READ_WRITE = "3";
const SUBSCRIBE = "4";

function mayUse(authority: Authority, { username = "", topic = "", acc }: Fields): boolean {
  switch (acc) {
    case READ:
      return authority.mayRead(username, topic);
    case WRITE:
      return authority.mayPublish(username, topic);
    case READ_WRITE:
      return authority.mayRead(username, topic) && authority.mayPublish(username, topic);
    case SUBSCRIBE:
      return authority.maySubscribe(username, topic);
    default:
      return false;
  }
}

/** By path below `/go-auth/`. */
export const goAuth: Readonly<Record<string, Question>> = {
  user: {
    allowed: (authority, { username = "", password = "", clientid: clientId }) =>
      authority.mayConnect({ username, password, clientId }),
    answer,
  },
  superuser: { allowed: (authority, { username = "" }) => authority.isBridge(username), answer },
  acl: { allowed: mayUse, answer },
};
