import { actionGroup } from "../../lib/action-group.ts";
import type { TypedBroker } from "../../lib/service.ts";
import type { DocumentStoreSettings } from "../../mixins/document-store.mixin.ts";
import type { oauth } from "../../schemas/oauth.ts";
import type { Limits } from "./configuration.ts";
import type { Identity } from "./identity.ts";

export interface Settings extends Partial<DocumentStoreSettings> {
  /** Where it is configured. */
  issuer?: string;
  /** 32 bytes, base64url; without it the file. */
  key?: string;
  keyFile: string;
  limits: Limits;
  requireNonce: boolean;
  keySignsSeconds: number;
  keyPublishedAheadSeconds: number;
}

/** The service as its actions see it. */
export interface OAuth {
  settings: Settings;
  broker: TypedBroker;
  identity(): Promise<Identity>;
}

/** Some of the service's actions, by concept. */
export const oauthActions = actionGroup<typeof oauth, OAuth>();
