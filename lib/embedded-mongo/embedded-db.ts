import mongodb from "mongodb";
import { EmbeddedCursor, sourceOf } from "./cursor.ts";
import type { EmbeddedClient } from "./embedded-client.ts";
import { EmbeddedCollection } from "./embedded-collection.ts";
import { refuse, serverError } from "./errors.ts";
import { compileFilter } from "./match.ts";
import { checkOptions, type Options } from "./options.ts";
import { parseFilter } from "./parse-filter.ts";
import { refuseRest } from "./refuse-rest.ts";
import type { StoreFile } from "./store-file.ts";

/** The look-alike of the driver's Db. Databases are prefixes of the names in one file. */
export class EmbeddedDb {
  readonly client: EmbeddedClient;
  readonly databaseName: string;
  readonly #file: StoreFile;

  constructor(client: EmbeddedClient, name: string, file: StoreFile) {
    this.client = client;
    this.databaseName = name;
    this.#file = file;
  }

  collection(name: string): EmbeddedCollection {
    if (name === "" || name.includes("$") || name.includes("\0") || name.startsWith("."))
      throw serverError(73, "InvalidNamespace", `Invalid collection name: ${JSON.stringify(name)}`);
    return new EmbeddedCollection(this, name, this.#file);
  }

  #names(): string[] {
    const prefix = `${this.databaseName}.`;
    return this.#file.catalog
      .all()
      .map(({ namespace }) => namespace)
      .filter((namespace) => namespace.startsWith(prefix))
      .map((namespace) => namespace.slice(prefix.length));
  }

  /** @throws MongoServerError 48 NamespaceExists; 115 for capped, time-series and validated collections. */
  async createCollection(name: string, options?: Options): Promise<EmbeddedCollection> {
    checkOptions(options);
    const collection = this.collection(name);
    this.#file.write(() => {
      if (this.#file.catalog.find(collection.namespace))
        throw serverError(48, "NamespaceExists", `Collection ${collection.namespace} already exists.`);
      this.#file.catalog.ensure(collection.namespace);
    });
    return collection;
  }

  async dropCollection(name: string, options?: Options): Promise<boolean> {
    checkOptions(options);
    return this.#file.write(() => {
      const entry = this.#file.catalog.find(`${this.databaseName}.${name}`);
      if (entry) this.#file.catalog.drop(entry);
      // As the server from version 7 on: dropping what is not there succeeds.
      return true;
    });
  }

  listCollections(filter: unknown = {}, options?: Options): EmbeddedCursor {
    checkOptions(options);
    const matches = compileFilter(parseFilter(filter));
    const list = () =>
      this.#file
        .read(() => this.#names())
        .map((name) => ({ name, type: "collection", options: {}, info: { readOnly: false } }))
        .filter(({ name, type }) => matches({ name, type }));
    return new EmbeddedCursor(() => sourceOf(list), {}, {});
  }

  async collections(): Promise<EmbeddedCollection[]> {
    return this.#file.read(() => this.#names()).map((name) => this.collection(name));
  }

  async dropDatabase(): Promise<boolean> {
    this.#file.write(() => {
      for (const name of this.#names()) {
        const entry = this.#file.catalog.find(`${this.databaseName}.${name}`);
        if (entry) this.#file.catalog.drop(entry);
      }
    });
    return true;
  }

  async createIndex(collection: string, key: unknown, options?: Options): Promise<string> {
    return this.collection(collection).createIndex(key, options);
  }

  /** `ping` only. */
  async command(command: Record<string, unknown>): Promise<{ ok: 1 }> {
    const [name = "an empty command"] = Object.keys(command);
    if (name !== "ping") refuse(`the command ${name}`);
    this.#file.read(() => undefined);
    return { ok: 1 };
  }

  admin() {
    return {
      ping: () => this.command({ ping: 1 }),
      command: (command: Record<string, unknown>) => this.command(command),
      listDatabases: async () => {
        const namespaces = this.#file.read(() => this.#file.catalog.all().map(({ namespace }) => namespace));
        const names = new Set(namespaces.map((namespace) => namespace.split(".")[0]));
        return { databases: [...names].map((name) => ({ name })), ok: 1 };
      },
    };
  }

  aggregate(pipeline: unknown): never {
    return this.collection("aggregate").aggregate(pipeline);
  }
}

/** Methods that the driver calls without a promise. */
const SYNCHRONOUS = new Set(["watch", "runCursorCommand"]);

refuseRest(EmbeddedDb, mongodb.Db, (method) => !SYNCHRONOUS.has(method));
