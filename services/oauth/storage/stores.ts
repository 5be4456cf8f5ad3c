import type { Connection, Model } from "mongoose";
import type { Revocation } from "../../../schemas/oauth.ts";
import { type KeyGenerationDocument, keyGenerationModel } from "../keys/key-generation.model.ts";
import { type ClientDocument, clientModel } from "./client.model.ts";
import { type RecordDocument, recordModel } from "./record.model.ts";
import { revocationModel } from "./revocation.model.ts";
import { Revocations } from "./revocations.ts";
import { sharedStateModel } from "./shared-state.model.ts";
import { SharedState } from "./shared-state.ts";
import { trustedIssuerModel } from "./trusted-issuer.model.ts";
import { TrustedIssuers } from "./trusted-issuers.ts";

/** What the service keeps in the document store. */
export interface Stores {
  records: Model<RecordDocument>;
  clients: Model<ClientDocument>;
  keys: Model<KeyGenerationDocument>;
  state: SharedState;
  revocations: Revocations;
  trustedIssuers: TrustedIssuers;
}

/** Declares the models and makes their indexes. */
export async function openStores(connection: Connection, tell: (revocation: Revocation) => void): Promise<Stores> {
  const records = recordModel(connection);
  const clients = clientModel(connection);
  const keys = keyGenerationModel(connection);
  const state = sharedStateModel(connection);
  const revocations = revocationModel(connection);
  const trustedIssuers = trustedIssuerModel(connection);
  await Promise.all([records, clients, keys, state, revocations, trustedIssuers].map((model) => model.init()));
  return {
    ...{ records, clients, keys },
    state: new SharedState(state),
    revocations: new Revocations(revocations, tell),
    trustedIssuers: new TrustedIssuers(trustedIssuers),
  };
}
