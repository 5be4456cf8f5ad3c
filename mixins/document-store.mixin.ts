import type { Connection } from "mongoose";
import { openDocumentStore } from "../lib/document-store.ts";
import type { Mixin } from "../lib/service.ts";

export interface DocumentStoreSettings {
  documentsFile: string;
  synchronous: "FULL" | "NORMAL";
}

interface Host {
  settings: DocumentStoreSettings;
  documents?: Connection;
}

/** Opens the document store before the service starts and closes it after it stopped. */
export const documentStore: Mixin<{ documents: Connection }> = {
  async started(this: Host) {
    const { documentsFile: file, synchronous } = this.settings;
    this.documents = await openDocumentStore({ file, synchronous });
  },
  async stopped(this: Host) {
    await this.documents?.close();
  },
} as unknown as Mixin<{ documents: Connection }>; // Moleculer types `this` of a mixin without its host's settings.
