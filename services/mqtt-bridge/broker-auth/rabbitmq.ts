import { type Authority, ownsClientId } from "./authority.ts";
import type { Answer, Fields, Question } from "./question.ts";

/** rabbitmq_auth_backend_http: `allow` or `deny`, as text. */
const answer = (allowed: boolean): Answer => ({ status: 200, type: "text/plain", body: allowed ? "allow" : "deny" });

/** RabbitMQ has `.` for `/` in its routing keys: a device whose id has a dot would share keys with others. */
const isTellable = (authority: Authority, username: string): boolean =>
  !(authority.deviceOf(username)?.deviceId.includes(".") ?? true);

/** The plugin's exchange, and the queues of a client's subscriptions. */
const EXCHANGE = "amq.topic";
const QUEUE = /^mqtt-subscription-(.+?)(?:qos[01])?$/s;

/** MQTT's form of a routing key; of a binding key `*` is `+`. */
const topicOf = (key: string): string => key.replaceAll(".", "/").replaceAll("*", "+");

function mayUse(authority: Authority, { username = "", resource, name = "", permission }: Fields): boolean {
  if (!isTellable(authority, username)) return false;
  if (resource === "exchange") return name === EXCHANGE && permission !== "configure";
  if (resource !== "queue") return false;
  const clientId = QUEUE.exec(name)?.[1];
  return clientId !== undefined && ownsClientId(username, clientId);
}

function mayUseTopic(authority: Authority, { username = "", permission, name, routing_key: key = "" }: Fields) {
  if (!isTellable(authority, username) || name !== EXCHANGE) return false;
  return permission === "write"
    ? authority.mayPublish(username, topicOf(key))
    : authority.maySubscribe(username, topicOf(key));
}

/** By path below `/rabbitmq/`. The bridge itself is a user of RabbitMQ's own, and not asked for here. */
export const rabbitmq: Readonly<Record<string, Question>> = {
  user: {
    allowed: (authority, { username = "", password = "", client_id: clientId }) =>
      isTellable(authority, username) &&
      authority.mayConnect({ username, password, clientId: clientId === "" ? undefined : clientId }),
    answer,
  },
  vhost: { allowed: (authority, { username = "" }) => isTellable(authority, username), answer },
  resource: { allowed: mayUse, answer },
  topic: { allowed: mayUseTopic, answer },
};
