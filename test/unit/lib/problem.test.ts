import assert from "node:assert/strict";
import { test } from "node:test";
import { Errors } from "moleculer";
import { problemOf } from "../../../lib/problem.ts";

test("an error of ours keeps status, code, text and fields", () => {
  const error = new Errors.ValidationError("Invalid parameters.", "VALIDATION_ERROR", [
    { field: "limit", message: "must be 1 at least" },
  ] as unknown as object);
  assert.deepEqual(problemOf(error), {
    type: "about:blank",
    title: "Unprocessable Entity",
    status: 422,
    code: "VALIDATION_ERROR",
    detail: "Invalid parameters.",
    errors: [{ field: "limit", message: "must be 1 at least" }],
  });
});

test("an error that came from another node is no class and reads the same", () => {
  const error = { name: "DeviceNotFoundError", message: "Device 'x' not found.", code: 404, type: "DEVICE_NOT_FOUND" };
  assert.partialDeepStrictEqual(problemOf(error), { status: 404, code: "DEVICE_NOT_FOUND", detail: error.message });
});

const secret = "SELECT password FROM /home/someone/data.db";
const faults: [what: string, error: unknown, status: number][] = [
  ["a plain error", new Error(secret), 500],
  ["a system error", Object.assign(new Error(secret), { code: "ENOENT" }), 500],
  ["a database's number that looks like a status", Object.assign(new Error(secret), { code: 431 }), 500],
  ["a duplicate key", Object.assign(new Error(secret), { code: 11_000 }), 500],
  ["nothing", undefined, 500],
  ["a text", secret, 500],
  ["a server error of ours", new Errors.MoleculerServerError(secret, 500, "BROKEN", { secret }), 500],
  ["an engine that is away", Object.assign(new Error(secret), { code: 503, type: "ENGINE_UNAVAILABLE" }), 503],
  ["a full disk", Object.assign(new Error(secret), { code: 14_031, outage: true }), 503],
  ["a MongoDB that is away", Object.assign(new Error(secret), { name: "MongoServerSelectionError" }), 503],
  ["a MongoDB without a primary", Object.assign(new Error(secret), { name: "MongoServerError", code: 10_107 }), 503],
  ["a duplicate key in MongoDB", Object.assign(new Error(secret), { name: "MongoServerError", code: 11_000 }), 500],
  ["a missing service", new Errors.ServiceNotFoundError({ action: "device-registry.get", nodeID: secret }), 503],
  ["a service on no node", new Errors.ServiceNotAvailableError({ action: secret, nodeID: secret }), 503],
  ["a timeout", new Errors.RequestTimeoutError({ action: secret, nodeID: secret }), 504],
];
for (const [what, error, status] of faults)
  test(`${what} is ${status}, and nothing of it is said`, () => {
    const problem = problemOf(error);
    assert.equal(problem.status, status);
    assert.equal(JSON.stringify(problem).includes(secret), false);
    assert.equal(problem.errors, undefined);
  });
