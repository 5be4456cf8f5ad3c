/** Where the other processes of the platform are found, as `TRANSPORTER` says it. */
export type TransporterUrl = NatsUrl | TcpUrl;

export interface NatsUrl {
  kind: "nats";
  /** `host:port` of each server of the cluster. */
  servers: string[];
  user?: string;
  password?: string;
  /** `tls://`; with `nats://` TLS is used where the server asks for it. */
  tls: boolean;
}

export interface TcpUrl {
  kind: "tcp";
  /** Nodes with a known place; the others find the rest by asking these. */
  nodes: TcpNode[];
}

export interface TcpNode {
  nodeId: string;
  host: string;
  port: number;
}

export const NODE_ID = /^[\w.-]{1,128}$/;
const NATS_PORT = 4222;

/** `nats://[user:password@]host[:port],…`, `tls://…`, or `tcp://host:port/node,…`. @throws Error saying what is wrong */
export function parseTransporter(text: string): TransporterUrl {
  const [first = "", ...more] = text.split(",").map((part) => part.trim());
  const scheme = /^(\w+):\/\//.exec(first)?.[1]?.toLowerCase() ?? "";
  const urls = [first, ...more].map((part) => (part.includes("://") ? part : `${scheme}://${part}`));
  if (urls.some((url) => !url.toLowerCase().startsWith(`${scheme}://`))) throw new Error("must have one scheme");
  if (scheme === "nats" || scheme === "tls") return natsOf(urls.map(urlOf), scheme === "tls");
  if (scheme === "tcp") return { kind: "tcp", nodes: tcpNodesOf(urls.map(urlOf)) };
  throw new Error("must be nats://host:port, tls://host:port or tcp://host:port/node,…");
}

function natsOf(urls: URL[], tls: boolean): NatsUrl {
  const named = urls.find(({ username }) => username !== "");
  return {
    kind: "nats",
    servers: urls.map(({ hostname, port }) => `${hostname}:${port || NATS_PORT}`),
    tls,
    ...(named ? { user: decodeURIComponent(named.username), password: decodeURIComponent(named.password) } : {}),
  };
}

/** Peers are named one by one: Moleculer's own discovery would ask the whole network by multicast. */
function tcpNodesOf(urls: URL[]): TcpNode[] {
  const nodes = urls.map(({ hostname: host, port, pathname }) => {
    const nodeId = decodeURIComponent(pathname.slice(1));
    if (!NODE_ID.test(nodeId) || port === "" || port === "0")
      throw new Error("must name a port and a node: tcp://host:port/node,…");
    return { nodeId, host, port: Number(port) };
  });
  if (new Set(nodes.map(({ nodeId }) => nodeId)).size < nodes.length) throw new Error("names a node twice");
  return nodes;
}

function urlOf(text: string): URL {
  if (!URL.canParse(text)) throw new Error("is no URL");
  const url = new URL(text);
  if (url.hostname === "") throw new Error("names no host");
  return url;
}
