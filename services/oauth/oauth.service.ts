import { defineService, type TypedBroker } from "../../lib/service.ts";
import { documentStore } from "../../mixins/document-store.mixin.ts";
import { contracts } from "../../schemas/index.ts";
import { oauth } from "../../schemas/oauth.ts";
import { UsersAccounts } from "./accounts/users-accounts.ts";
import { administrationActions } from "./actions/administration.ts";
import { clientActions } from "./actions/clients.ts";
import { endpointActions } from "./actions/endpoints.ts";
import { trustedIssuerActions } from "./actions/trusted-issuers.ts";
import type { Identity, IdentityOptions } from "./identity.ts";
import { readMasterKey } from "./keys/master-key.ts";
import type { Settings } from "./oauth.ts";

/** Every scope that an action of the REST interface asks for. */
const SCOPES = [
  ...new Set(
    contracts.flatMap(({ actions }) =>
      Object.values(actions).flatMap((action) => ("scope" in action && action.scope ? [action.scope] : [])),
    ),
  ),
].sort();

export default defineService(oauth, {
  mixins: [documentStore],
  settings: { keyFile: "oauth.key" } as Settings,
  state: () => ({
    masterKey: undefined as Buffer | undefined,
    opening: undefined as Promise<Identity> | undefined,
  }),

  started() {
    const { key, keyFile: file } = this.settings;
    const master = readMasterKey({ key, file });
    this.masterKey = master.key;
    if (master.made) this.logger.info("The key of the authorization server was made; a backup has it.", { file });
  },

  async stopped() {
    (await this.opening?.catch(() => undefined))?.close();
  },

  methods: {
    /** Loaded when it is first asked for; where that fails, the next one tries again. */
    identity(this: Self): Promise<Identity> {
      this.opening ??= this.open();
      return this.opening;
    },

    async open(this: Self): Promise<Identity> {
      try {
        const { Identity } = await import("./identity.ts");
        return await Identity.open(this.options());
      } catch (error) {
        this.opening = undefined;
        throw error;
      }
    },

    options(this: Self): IdentityOptions {
      const { issuer, limits, requireNonce, keySignsSeconds, keyPublishedAheadSeconds } = this.settings;
      return {
        ...{ issuer, limits, requireNonce, keySignsSeconds, keyPublishedAheadSeconds, scopes: SCOPES },
        documents: this.documents,
        accounts: new UsersAccounts(this.broker),
        masterKey: this.masterKey as Buffer,
        revoked: (revocation) => void this.broker.broadcast("oauth.revoked", revocation),
        failed: (error) => this.logger.error("The authorization server failed.", { error }),
      };
    },
  },

  actions: { ...endpointActions, ...clientActions, ...trustedIssuerActions, ...administrationActions },

  hints: {
    async "oauth.keys-changed"() {
      await (await this.opening)?.refreshKeys();
    },
  },
});

interface Self {
  settings: Settings;
  documents: IdentityOptions["documents"];
  masterKey: Buffer | undefined;
  opening: Promise<Identity> | undefined;
  broker: TypedBroker;
  logger: { error(message: string, data: object): void };
  open(): Promise<Identity>;
  options(): IdentityOptions;
}
