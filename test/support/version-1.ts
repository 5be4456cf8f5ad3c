import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { seqOf } from "../../lib/readings/identity.ts";
import { type RecordedMessage, recordedMessages } from "./recording.ts";

/**
 * A data folder as version 1 of the files wrote it, word for word, with a day of the real recording: the first half is
 * in the reading store, the second waits in the channel, behind messages that the store holds already.
 */
export function version1Folder(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const messages = recordedMessages();
  const half = Math.floor(messages.length / 2);
  writeReadings(join(folder, "readings.db"), messages.slice(0, half));
  writeFacts(join(folder, "facts.db"), messages, half - OVERLAP);
}

/** Messages that were stored, and whose position was not committed: a platform that was killed. */
const OVERLAP = 300;

const micros = ({ ts }: RecordedMessage) => Math.round(ts * 1e6);
const seq = ({ data }: RecordedMessage) =>
  seqOf({
    ...{ id: undefined, messageId: undefined, timed: true, packet: "", place: 0 },
    values: JSON.stringify(data),
  });

function writeReadings(file: string, messages: readonly RecordedMessage[]): void {
  const db = new DatabaseSync(file);
  const columns = Array.from({ length: 16 }, (_, slot) => `v${slot}`).join(", ");
  db.exec(`PRAGMA journal_mode = WAL;
  CREATE TABLE device(dev INTEGER PRIMARY KEY, tenant TEXT NOT NULL, id TEXT NOT NULL, UNIQUE(tenant, id));
  CREATE TABLE metric(dev INTEGER NOT NULL, slot INTEGER NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY(dev, slot), UNIQUE(dev, name)) WITHOUT ROWID;
  CREATE TABLE reading(dev INTEGER NOT NULL, ts INTEGER NOT NULL, seq INTEGER NOT NULL,
    ${columns}, more TEXT, PRIMARY KEY(dev, ts, seq)) WITHOUT ROWID;
  PRAGMA user_version = 1; BEGIN`);
  const devices = new Map<string, { dev: number; slots: string[] }>();
  const [addDevice, addMetric] = [
    db.prepare("INSERT INTO device(tenant, id) VALUES('default', ?) RETURNING dev"),
    db.prepare("INSERT INTO metric VALUES(?, ?, ?)"),
  ];
  const insert = db.prepare(
    `INSERT OR IGNORE INTO reading(dev, ts, seq, v0, v1, v2, v3, v4, v5, v6, v7) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  for (const message of messages) {
    let device = devices.get(message.device_id);
    if (!device) {
      device = { dev: Number(addDevice.get(message.device_id)?.["dev"]), slots: [] };
      devices.set(message.device_id, device);
    }
    const values = new Array<number | Uint8Array | null>(8).fill(null);
    for (const [name, value] of Object.entries(message.data)) {
      if (!device.slots.includes(name)) addMetric.run(device.dev, device.slots.push(name) - 1, name);
      values[device.slots.indexOf(name)] = typeof value === "boolean" ? new Uint8Array([value ? 1 : 0]) : Number(value);
    }
    insert.run(device.dev, micros(message), seq(message), ...values);
  }
  db.exec("COMMIT");
  db.close();
}

function writeFacts(file: string, messages: readonly RecordedMessage[], consumed: number): void {
  const db = new DatabaseSync(file);
  db.exec(`PRAGMA journal_mode=WAL;
  CREATE TABLE IF NOT EXISTS channel(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE IF NOT EXISTS consumer_group(
    channel INTEGER NOT NULL,
    name TEXT NOT NULL,
    next INTEGER NOT NULL,
    generation INTEGER NOT NULL DEFAULT 0,
    owner TEXT,
    expires INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, name)
  ) STRICT, WITHOUT ROWID;
  PRAGMA user_version=1;
  CREATE TABLE log_1(
      position INTEGER PRIMARY KEY, key TEXT, headers TEXT, value TEXT NOT NULL, timestamp INTEGER NOT NULL) STRICT;
  INSERT INTO channel VALUES(1, 'telemetry.received'); BEGIN`);
  const append = db.prepare("INSERT INTO log_1(key, headers, value, timestamp) VALUES(?, NULL, ?, ?)");
  const now = Date.now();
  for (const message of messages) {
    const reading = { ts: micros(message), seq: seq(message), values: message.data };
    const deviceId = message.device_id;
    const fact = {
      ...{ tenantId: "default", deviceId, messageId: `${reading.ts}-${reading.seq}` },
      ...{ receivedAt: reading.ts, readings: [reading] },
    };
    append.run(`default/${deviceId}`, JSON.stringify(fact), now);
  }
  db.prepare("INSERT INTO consumer_group(channel, name, next) VALUES(1, 'store', ?)").run(consumed + 1);
  db.exec("COMMIT");
  db.close();
}
