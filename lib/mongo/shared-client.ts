import mongoose, { type mongo } from "mongoose";

export interface MongoSettings {
  /** `mongodb://…` or `mongodb+srv://…`, with its credentials. */
  url: string;
  /** Longest time of one operation at a server, and of waiting for a connection. */
  timeoutMs: number;
  /** How long an operation waits for a server that can take it. */
  selectionMs: number;
  /** Connections of this process at most. */
  poolMax: number;
}

/** How often servers are looked at; also how soon one that is back is found. */
const HEARTBEAT_MS = 2000;
/** After which an unanswered connection, or look, counts as failed. */
const CONNECT_MS = 5000;
const DATABASE = "ganglion";
const WRITABLE = new Set<string>(["Standalone", "RSPrimary", "Mongos", "LoadBalancer"]);

interface Shared {
  timeoutMs: number;
  client: mongo.MongoClient;
  connected: Promise<unknown>;
  servers: mongo.TopologyDescription | undefined;
  holders: number;
}

/** One client per process and settings, however many services use it: each has its own connections and watchers. */
const clients = new Map<string, Shared>();

/** A service's share of the client of its process. */
export class MongoShare {
  readonly #key: string;
  readonly #shared: Shared;
  #released = false;

  constructor(key: string, shared: Shared) {
    this.#key = key;
    this.#shared = shared;
  }

  get client(): mongo.MongoClient {
    return this.#shared.client;
  }

  /** The database that the URL names, else `ganglion`. */
  get db(): mongo.Db {
    return this.#shared.client.db();
  }

  /** Longest time of one operation. */
  get timeoutMs(): number {
    return this.#shared.timeoutMs;
  }

  /** Why nothing can be written at present, for operators; undefined where it can. */
  get trouble(): string | undefined {
    const servers = [...(this.#shared.servers?.servers.values() ?? [])];
    if (servers.some(({ type }) => WRITABLE.has(type))) return undefined;
    const cause = servers.find(({ error }) => error)?.error?.message;
    return `MongoDB (${hostsOf(this.#shared.client)}): ${cause ?? "no server takes writes"}`;
  }

  /** The last one closes the client; what is under way fails. */
  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    if (--this.#shared.holders > 0) return;
    clients.delete(this.#key);
    await this.#shared.client.close(true);
  }
}

/** @throws Error naming the hosts when no server answers in time, or refuses. */
export async function shareMongo(settings: MongoSettings): Promise<MongoShare> {
  const key = JSON.stringify(settings);
  const shared = clients.get(key) ?? connect(settings);
  clients.set(key, shared);
  shared.holders++;
  const share = new MongoShare(key, shared);
  try {
    await shared.connected;
    return share;
  } catch (error) {
    await share.release();
    throw new Error(`MongoDB (${hostsOf(shared.client)}) cannot be used: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function connect({ url, timeoutMs, selectionMs, poolMax }: MongoSettings): Shared {
  const client = new mongoose.mongo.MongoClient(withDatabase(url), {
    appName: "ganglion",
    // What is acknowledged survives the loss of a primary, and of its power.
    writeConcern: { w: "majority", journal: true },
    readPreference: "primary",
    socketTimeoutMS: timeoutMs,
    waitQueueTimeoutMS: timeoutMs,
    serverSelectionTimeoutMS: selectionMs,
    connectTimeoutMS: CONNECT_MS,
    heartbeatFrequencyMS: HEARTBEAT_MS,
    maxPoolSize: poolMax,
  });
  // Each model's connection listens to it.
  client.setMaxListeners(0);
  const shared: Shared = { timeoutMs, client, connected: Promise.resolve(), servers: undefined, holders: 0 };
  client.on("topologyDescriptionChanged", ({ newDescription }) => {
    shared.servers = newDescription;
  });
  shared.connected = client.connect();
  return shared;
}

/** The URL with our database where it names none; a user is still looked up where the driver would then: in `admin`. */
function withDatabase(url: string): string {
  const [, hosts, options = ""] = /^([^/]+\/\/[^/?]+)\/?(\?.*)?$/.exec(url) ?? [];
  if (hosts === undefined) return url;
  const elsewhere = !hosts.includes("@") || /[?&]auth(Source|Mechanism)=/i.test(options);
  const source = elsewhere ? "" : `${options === "" ? "?" : "&"}authSource=admin`;
  return `${hosts}/${DATABASE}${options}${source}`;
}

const hostsOf = ({ options }: mongo.MongoClient): string =>
  options.srvHost ?? options.hosts.map((host) => host.toString()).join(", ");
