import type { QoS } from "mqtt-packet";
import { packetOf, packetText } from "./packet-text.ts";
import type { SessionFile } from "./session-file.ts";

/** A will as aedes hands it over; other fields that it has are kept. */
export interface Will {
  topic: string;
  payload: Buffer | string;
  qos: QoS;
  retain: boolean;
  brokerId?: string;
  clientId?: string;
}

/** Wills of connections, and those that wait for their delay. */
export class Wills {
  readonly #file: SessionFile;
  readonly #wills = new Map<string, Will>();
  readonly #put;
  readonly #delete;

  constructor(file: SessionFile) {
    this.#file = file;
    this.#put = file.db.prepare("INSERT OR REPLACE INTO will(client, packet, payload) VALUES(?, ?, ?)");
    this.#delete = file.db.prepare("DELETE FROM will WHERE client=?");
    for (const { client, packet, payload } of file.db.prepare("SELECT * FROM will").iterate())
      this.#wills.set(String(client), packetOf(packet, payload) as unknown as Will);
  }

  async put(client: string, will: Will): Promise<void> {
    this.#wills.set(client, will);
    const { text, payload } = packetText(will);
    await this.#file.write(() => this.#put.run(client, text, payload));
  }

  get(client: string): Will | undefined {
    return this.#wills.get(client);
  }

  async delete(client: string): Promise<Will | undefined> {
    const will = this.#wills.get(client);
    if (!will) return undefined;
    this.#wills.delete(client);
    await this.#file.write(() => this.#delete.run(client));
    return will;
  }

  all(): IterableIterator<Will> {
    return this.#wills.values();
  }
}
