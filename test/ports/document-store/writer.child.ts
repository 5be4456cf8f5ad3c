import mongoose from "mongoose";
import { connectEmbedded } from "../../../lib/embedded-mongo/driver.ts";

/** Writes to the file named by the first argument until it is killed; each acknowledged `_id` is one line. */
const [file = "", first = "0"] = process.argv.slice(2);
const connection = await connectEmbedded(file);
const schema = new mongoose.Schema({ _id: Number, unique: { type: String, unique: true }, touched: Number });
const Thing = connection.model("Thing", schema);
await Thing.init();

for (let id = Number(first); ; id += 3) {
  await Thing.insertMany([
    { _id: id, unique: `u${id}` },
    { _id: id + 1, unique: `u${id + 1}` },
  ]);
  process.stdout.write(`${id}\n${id + 1}\n`);
  await Thing.updateOne({ _id: id + 2 }, { $set: { unique: `u${id + 2}` }, $inc: { touched: 1 } }, { upsert: true });
  process.stdout.write(`${id + 2}\n`);
}
