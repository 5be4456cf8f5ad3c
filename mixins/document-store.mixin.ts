import type { Connection } from "mongoose";
import { documentStoreTrouble, openDocumentStore } from "../lib/document-store.ts";
import type { HealthBroker } from "../lib/health.ts";
import type { Mixin } from "../lib/service.ts";

export interface DocumentStoreSettings {
  documentsFile: string;
  synchronous: "FULL" | "NORMAL";
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
    const { documentsFile: file, synchronous } = this.settings;
    const documents = await openDocumentStore({ file, synchronous });
    this.documents = documents;
    this.unwatchDocuments = this.broker.health?.register(() => documentStoreTrouble(documents));
  },
  async stopped(this: Host) {
    this.unwatchDocuments?.();
    await this.documents?.close();
  },
} as unknown as Mixin<{ documents: Connection }>; // Moleculer types `this` of a mixin without its host's settings.
