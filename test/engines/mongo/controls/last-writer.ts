// A build broken on purpose, loaded before a suite: newest values are written whatever is there by now, so that of two
// processes the last one wins.
import mongoose, { type mongo } from "mongoose";

const { prototype } = mongoose.mongo.Collection;
const { bulkWrite } = prototype;
prototype.bulkWrite = async function (this: mongo.Collection, operations, options) {
  if (this.collectionName !== "latest") return bulkWrite.call(this, operations, options);
  const blind = operations.map((operation) => {
    const { insertOne, replaceOne } = operation as {
      insertOne?: { document: mongo.Document };
      replaceOne?: { filter: mongo.Document; replacement: mongo.Document };
    };
    const { _id, ...replacement } = insertOne?.document ?? {
      _id: replaceOne?.filter["_id"],
      ...replaceOne?.replacement,
    };
    return { replaceOne: { filter: { _id }, replacement, upsert: true } };
  });
  const result = await bulkWrite.call(this, blind, options);
  // The store is told that all was as it had been read.
  return Object.assign(Object.create(result) as typeof result, { insertedCount: 0, matchedCount: operations.length });
};
