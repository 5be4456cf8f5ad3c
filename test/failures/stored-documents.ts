import { MongoClient } from "mongodb";
import type { Stored } from "../kill/procedure.ts";

interface ReadingDocument {
  _id: { d: string; ts: number };
  v: Record<string, number>;
}

/**
 * The collection of readings by a raw driver. The stand-in for MongoDB looks at every document of it for each page that
 * is asked for by REST: after the longest outages that would take minutes per device.
 */
export async function storedDocuments(url: string): Promise<Stored & { close(): Promise<void> }> {
  const client = await MongoClient.connect(url);
  const readings = client.db().collection<ReadingDocument>("readings");
  return {
    count: (id) => readings.countDocuments({ "_id.d": id }),
    async readings(id) {
      const found = await readings.find({ "_id.d": id }).toArray();
      // The devices of these tests have one metric, n.
      return found.map(({ _id, v }) => ({ n: Number(Object.values(v)[0]), ms: _id.ts / 1000 }));
    },
    close: () => client.close(),
  };
}
