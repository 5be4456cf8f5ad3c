import type { Connection } from "mongoose";
import { closeDocumentStore, documentStoreTrouble, openDocumentStore } from "../lib/document-store.ts";
import type { HealthBroker } from "../lib/health.ts";
import type { MongoSettings } from "../lib/mongo/shared-client.ts";
import type { Mixin } from "../lib/service.ts";

export interface DocumentStoreSettings {
  documentsFile: string;
  synchronous: "FULL" | "NORMAL";
  /** MongoDB, which then takes the place of the file. */
  mongo?: MongoSettings;
}

interface Host {
  settings: DocumentStoreSettings;
  broker: Partial<HealthBroker>;
  documents?: Connection;
  unwatchDocuments?: (() => void) | undefined;
}

/** Opens the document store before the service starts and closes it after it stopped. */
export const documentStore: Mixin<{ documents: Connection }> = {
  async started(this: Host) {
    const { documentsFile: file, synchronous, mongo } = this.settings;
    const documents = await openDocumentStore({ mongo, file, synchronous });
    this.documents = documents;
    this.unwatchDocuments = this.broker.health?.register(() => documentStoreTrouble(documents));
  },
  async stopped(this: Host) {
    this.unwatchDocuments?.();
    if (this.documents) await closeDocumentStore(this.documents);
  },
} as unknown as Mixin<{ documents: Connection }>; // Moleculer types `this` of a mixin without its host's settings.
