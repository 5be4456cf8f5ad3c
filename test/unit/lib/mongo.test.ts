import assert from "node:assert/strict";
import { test } from "node:test";
import { isOutage } from "../../../lib/channels/errors.ts";
import { isMongoAway } from "../../../lib/mongo/mongo-away.ts";
import { mongoError } from "../../../lib/mongo/mongo-error.ts";

const named = (name: string, rest: object = {}) => Object.assign(new Error("x"), { name, ...rest });

/** An error is not compared with an object. */
const fields = (error: unknown) => ({ ...(error as object) });

test("what is the server's fault is an outage, as an error of another node too", () => {
  for (const error of [
    named("MongoNetworkError"),
    named("MongooseServerSelectionError"),
    named("MongoWaitQueueTimeoutError"),
    named("MongoServerError", { code: 50 }),
    named("MongoServerError", { code: 14_031 }),
    named("MongoBulkWriteError", { code: 64 }),
    { name: "MongoServerError", code: 11_600 },
  ]) {
    assert.equal(isMongoAway(error), true, JSON.stringify(error));
    assert.equal(isOutage(error), true);
  }
});

test("a write that too few servers have confirmed is an outage, although its key is taken by now", () => {
  const result = { getWriteConcernError: () => ({ code: 64 }) };
  assert.equal(isMongoAway(named("MongoBulkWriteError", { code: 11_000, result })), true);
});

test("what is the data's or the program's fault is none", () => {
  for (const error of [
    named("MongoServerError", { code: 11_000 }),
    named("MongoServerError", { code: 2 }),
    named("MongoBulkWriteError", { code: 11_000, result: { getWriteConcernError: () => undefined } }),
    named("Error", { code: 50 }),
    named("ValidationError"),
    undefined,
    "MongoNetworkError",
  ])
    assert.equal(isMongoAway(error), false, JSON.stringify(error));
});

test("a store on MongoDB takes for poison only what the server finds wrong with the data", () => {
  assert.partialDeepStrictEqual(fields(mongoError(named("MongoServerError", { code: 10_334 }), "reading store")), {
    ...{ code: 422, type: "DATA_REFUSED", retryable: false },
  });
  assert.partialDeepStrictEqual(fields(mongoError(named("MongoServerError", { code: 8000 }), "reading store")), {
    ...{ name: "EngineUnavailableError", outage: true },
  });
  const other = new TypeError("x");
  assert.equal(mongoError(other, "reading store"), other);
});
