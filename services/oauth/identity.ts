import type { Connection } from "mongoose";
import { localIssuer } from "../../lib/issuer.ts";
import type { ClientMetadata, EndpointAnswer, EndpointRequest, OAuthClient, Revocation } from "../../schemas/oauth.ts";
import type { EndpointName } from "../../schemas/oauth-endpoints.ts";
import type { Accounts } from "./accounts/accounts.ts";
import { type AuthorizationServer, createAuthorizationServer } from "./authorization-server.ts";
import { checkedMetadata, newClient, shownClient } from "./client-metadata.ts";
import { withHeldSecret } from "./client-update.ts";
import type { Limits } from "./configuration.ts";
import { answer } from "./endpoint.ts";
import { Interactions } from "./interactions.ts";
import { KeySets } from "./keys/key-sets.ts";
import { deriveKey } from "./keys/seal.ts";
import type { KeySet } from "./keys/signing-keys.ts";
import { POLICY } from "./registration-policy.ts";
import { Clients, type StoredClient } from "./storage/clients.ts";
import { openStores, type Stores } from "./storage/stores.ts";

export interface IdentityOptions {
  documents: Connection;
  accounts: Accounts;
  /** 32 bytes that all nodes share. */
  masterKey: Buffer;
  /** Where it is configured; else as the gateway tells it. */
  issuer?: string | undefined;
  scopes: readonly string[];
  limits: Limits;
  requireNonce: boolean;
  keySignsSeconds: number;
  keyPublishedAheadSeconds: number;
  /** Called with each entry of the deny list. */
  revoked: (revocation: Revocation) => void;
  failed: (error: Error) => void;
}

const PAGES = ["interaction", "login", "consent", "abort"] as const satisfies EndpointName[];
type PageName = (typeof PAGES)[number];
const isPage = (name: EndpointName): name is PageName => (PAGES as readonly string[]).includes(name);

const KEYS_REFRESH_MS = 60_000;
const KEYS_REFRESH_MS_MIN = 1000;

/** Verifiers' clocks, and tokens that were signed in the last moment. */
const KEPT_LONGER_MS = 60_000;

/** The authorization server of a node, over storage that all nodes share. Loaded when it is first needed: it is 10 MB. */
export class Identity {
  readonly stores: Stores;
  readonly clients: Clients;
  readonly #options: IdentityOptions;
  readonly #keySets: KeySets;
  #keys: KeySet;
  #server: AuthorizationServer | undefined;
  #refreshing: NodeJS.Timeout | undefined;

  static async open(options: IdentityOptions): Promise<Identity> {
    const { documents, masterKey, limits, keySignsSeconds, keyPublishedAheadSeconds, revoked } = options;
    const stores = await openStores(documents, revoked);
    const keySets = new KeySets(stores.keys, deriveKey(masterKey, "signing-keys"), {
      signsMs: keySignsSeconds * 1000,
      publishedAheadMs: keyPublishedAheadSeconds * 1000,
      keptMs: limits.accessTokenSeconds * 1000 + KEPT_LONGER_MS,
    });
    const identity = new Identity(options, stores, keySets, await keySets.load());
    identity.#refreshLater();
    return identity;
  }

  private constructor(options: IdentityOptions, stores: Stores, keySets: KeySets, keys: KeySet) {
    this.#options = options;
    this.stores = stores;
    this.#keySets = keySets;
    this.#keys = keys;
    this.clients = new Clients(stores.clients, deriveKey(options.masterKey, "client-secrets"), async (clientId) => {
      await stores.records.deleteMany({ clientId });
      await stores.revocations.add("client", clientId, options.limits.accessTokenSeconds);
    });
  }

  /** @param issuer as the gateway knows it */
  server(issuer?: string): AuthorizationServer {
    const wanted = this.#options.issuer ?? issuer ?? this.#server?.issuer ?? localIssuer(3000);
    if (this.#server?.issuer === wanted) return this.#server;
    const { masterKey, scopes, limits, requireNonce, accounts, failed } = this.#options;
    const { stores, clients } = this;
    this.#server = createAuthorizationServer({
      ...{ issuer: wanted, keys: this.#keys, masterKey, scopes, limits, requireNonce },
      ...{ stores, clients, accounts, failed },
    });
    return this.#server;
  }

  async answer(name: EndpointName, request: EndpointRequest): Promise<EndpointAnswer> {
    const server = this.server(request.issuer);
    if (isPage(name)) return new Interactions(server.provider, this.#options.accounts)[name](request);
    return answer(server, name, name === "client" ? await withHeldSecret(request, this.clients) : request);
  }

  /** Registers a client of a tenant. @returns it with its secret, where it has one @throws ClientMetadataError */
  async createClient(tenant: string, metadata: ClientMetadata): Promise<OAuthClient & { client_secret?: string }> {
    const client = newClient(tenant, metadata);
    const checked = checkedMetadata(this.server().provider, client);
    await this.clients.upsert(client.client_id, checked);
    const { client_secret: secret } = client;
    return { ...shownClient(checked), ...(secret !== undefined && { client_secret: secret }) };
  }

  shown(client: StoredClient): OAuthClient {
    return shownClient(client);
  }

  /** @returns an initial access token (RFC 7591 section 3) */
  async allowRegistrations(allowed: { tenant: string; scope: string }, seconds: number): Promise<string> {
    const { provider, initialAccess } = this.server();
    const token = await new provider.InitialAccessToken({ expiresIn: seconds, policies: [POLICY] } as never).save();
    await initialAccess.allow(token, allowed, seconds);
    return token;
  }

  /** Takes keys that were published or began to sign meanwhile; makes the next ones when it is time. */
  async refreshKeys(): Promise<void> {
    const keys = await this.#keySets.load();
    const kids = (set: KeySet) => set.keys.map(({ kid }) => kid).join();
    const same = kids(keys) === kids(this.#keys);
    this.#keys = keys;
    const { issuer } = this.#server ?? {};
    if (same || issuer === undefined) return;
    this.#server = undefined;
    this.server(issuer);
  }

  #refreshLater(): void {
    const wait = Math.min((this.#keys.changesAt ?? Number.POSITIVE_INFINITY) - Date.now(), KEYS_REFRESH_MS);
    this.#refreshing = setTimeout(
      () => {
        this.refreshKeys()
          .catch(this.#options.failed)
          .finally(() => this.#refreshing && this.#refreshLater());
      },
      Math.max(wait, KEYS_REFRESH_MS_MIN),
    ).unref();
  }

  close(): void {
    clearTimeout(this.#refreshing);
    this.#refreshing = undefined;
  }

  /** @returns when the next keys begin to sign */
  async rotateKeys(): Promise<Date> {
    const signsFrom = await this.#keySets.rotate();
    await this.refreshKeys();
    clearTimeout(this.#refreshing);
    this.#refreshLater();
    return signsFrom;
  }
}
