import type { SASLOptions } from "kafkajs";

/** Where Kafka is and how it is spoken to. */
export interface KafkaBrokers {
  /** `host:port` each. */
  brokers: string[];
  /** TLS; a file of PEM certificates to trust and the client's own certificate and key, where there are such. */
  tls?: { caFile?: string; certFile?: string; keyFile?: string };
  sasl?: SASLOptions;
}

const FORM = /^(?:(kafkas?):\/\/)?(?:([^:@/]+):([^@/]+)@)?([^@/?]+)\/?(?:\?(.*))?$/;
const BROKER = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/;
const MECHANISMS = ["plain", "scram-sha-256", "scram-sha-512"] as const;
const PORT = 9092;

/**
 * Reads `host:port,host:port`, or as a URL `kafka://user:password@host:port,host:port?mechanism=scram-sha-256&tls=true`;
 * `kafkas` is TLS, too. User and password are percent-encoded.
 *
 * @throws Error saying which part is wrong, without its value, which may be secret.
 */
export function kafkaBrokers(text: string): KafkaBrokers {
  const [whole, scheme, user, password, hosts = "", query] = FORM.exec(text) ?? [];
  if (whole === undefined) throw new Error("must be host:port,… or kafka://user:password@host:port,…?tls=true");
  const brokers = hosts.split(",").map((host) => {
    const [matches, port = String(PORT)] = BROKER.exec(host.trim()) ?? [];
    if (matches === undefined || Number(port) > 65_535) throw new Error("each broker must be host:port");
    return `${host.trim().replace(/:\d+$/, "")}:${port}`;
  });
  const options = new URLSearchParams(query);
  const known = ["tls", "mechanism", "ca", "cert", "key"];
  const unknown = [...options.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`option ${unknown} is unknown, there are ${known.join(", ")}`);
  const wanted = options.get("tls") ?? String(scheme === "kafkas");
  if (!["true", "false"].includes(wanted)) throw new Error("tls must be true or false");
  const [caFile, certFile, keyFile] = ["ca", "cert", "key"].map((name) => options.get(name) ?? undefined);
  if ((certFile === undefined) !== (keyFile === undefined)) throw new Error("cert and key go together");
  const files = {
    ...(caFile === undefined ? {} : { caFile }),
    ...(certFile === undefined ? {} : { certFile }),
    ...(keyFile === undefined ? {} : { keyFile }),
  };
  if (wanted === "false" && Object.keys(files).length > 0) throw new Error("ca, cert and key go with tls=true");
  return {
    brokers,
    ...(wanted === "true" ? { tls: files } : {}),
    ...(user === undefined ? {} : { sasl: saslOf(user, password ?? "", options.get("mechanism") ?? "plain") }),
  };
}

function saslOf(user: string, password: string, named: string): SASLOptions {
  const mechanism = MECHANISMS.find((known) => known === named);
  if (!mechanism) throw new Error(`mechanism must be one of ${MECHANISMS.join(", ")}`);
  try {
    return { mechanism, username: decodeURIComponent(user), password: decodeURIComponent(password) } as SASLOptions;
  } catch {
    throw new Error("user and password must be percent-encoded");
  }
}
