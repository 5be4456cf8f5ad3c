import type { Answer, Question } from "./question.ts";

/** EMQX's HTTP authentication and authorization: JSON, always with 200, because it takes all else for no answer. */
const answer = (allowed: boolean): Answer => ({
  status: 200,
  type: "application/json",
  body: JSON.stringify({ result: allowed ? "allow" : "deny" }),
});

/** By path below `/emqx/`. */
export const emqx: Readonly<Record<string, Question>> = {
  authentication: {
    allowed: (authority, { username = "", password = "", clientid: clientId }) =>
      authority.mayConnect({ username, password, clientId }),
    answer,
  },
  authorization: {
    allowed: (authority, { username = "", topic = "", action }) =>
      action === "publish" ? authority.mayPublish(username, topic) : authority.maySubscribe(username, topic),
    answer,
  },
};
