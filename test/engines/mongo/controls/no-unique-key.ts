// A build broken on purpose, loaded before a suite: each write of a reading has a key of its own, so that a reading that
// comes twice is stored twice.
import mongoose, { type mongo } from "mongoose";

const { prototype } = mongoose.mongo.Collection;
const { insertMany } = prototype;
let writes = 0;
prototype.insertMany = async function (this: mongo.Collection, documents, options) {
  if (this.collectionName !== "readings") return insertMany.call(this, documents, options);
  const own = documents.map(({ _id, ...rest }) => ({ _id: { ...(_id as object), n: ++writes } as never, ...rest }));
  return insertMany.call(this, own, options);
};
