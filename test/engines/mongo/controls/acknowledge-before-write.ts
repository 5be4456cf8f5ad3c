// A build broken on purpose, loaded before a suite: a batch of readings is acknowledged before the server has it, as with
// write concern 0; what the server says of it, nobody hears.
import mongoose, { type mongo } from "mongoose";

const { prototype } = mongoose.mongo.Collection;
const { insertMany } = prototype;
prototype.insertMany = async function (this: mongo.Collection, documents, options) {
  if (this.collectionName !== "readings") return insertMany.call(this, documents, options);
  const length = documents.length;
  setTimeout(() => void insertMany.call(this, documents, { ...options, writeConcern: { w: 0 } }).catch(() => {}), 20);
  return { acknowledged: true, insertedCount: length, insertedIds: {} };
};
