import type { JSONWebKeySet } from "jose";
import type { ServiceBroker } from "moleculer";
import type { JwksSource } from "../../lib/tokens/jwks-source.ts";

const ACTION = "oauth.jwks";

/** An endpoint's answer, as it would go to the outside. */
interface EndpointAnswer {
  status: number;
  body: string;
}

/** The keys of the platform's own issuer, asked for as a caller of `GET /oauth/jwks` would; no connection is opened. */
export const ownJwks = (broker: ServiceBroker, issuer: string, timeoutMs: number): JwksSource => ({
  name: ACTION,
  async fetch() {
    const request = { method: "GET", query: "", headers: {}, body: "", path: {}, ip: "", issuer };
    const answer = await broker.call<JSONWebKeySet | EndpointAnswer, object>(ACTION, request, { timeout: timeoutMs });
    if (!("body" in answer)) return answer;
    const { status, body } = answer as EndpointAnswer;
    if (status !== 200) throw new Error(`${ACTION} answers ${status}`);
    return JSON.parse(body) as JSONWebKeySet;
  },
});
