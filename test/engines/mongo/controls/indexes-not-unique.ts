// A build broken on purpose, loaded before a suite: an index that is declared unique is made, and is not.
import mongoose, { type mongo } from "mongoose";

type CreateIndex = (this: mongo.Collection, key: mongo.IndexSpecification, options?: object) => Promise<string>;

// The driver's own type has parameters that are its own.
const prototype = mongoose.mongo.Collection.prototype as unknown as { createIndex: CreateIndex };
const { createIndex } = prototype;
prototype.createIndex = function (key, options = {}) {
  return createIndex.call(this, key, { ...options, unique: false });
};
