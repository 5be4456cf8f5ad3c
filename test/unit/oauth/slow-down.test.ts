import assert from "node:assert/strict";
import { test } from "node:test";
import { errors } from "oidc-provider";
import { slowDown } from "../../../services/oauth/grants/device-code.ts";

test("slow_down grows by 5 seconds, up to the ceiling, and forgives who waits (RFC 8628 section 3.5)", async () => {
  const values = new Map<string, unknown>();
  const state = {
    get: async <T>(key: string) => values.get(key) as T | undefined,
    set: async (key: string, value: unknown) => void values.set(key, value),
  };
  let clock = 0;
  const pending = async () => {
    throw new errors.AuthorizationPending();
  };
  const poll = async (seconds: number) => {
    clock += seconds * 1000;
    const options = { state, intervalSeconds: 5, ceilingSeconds: 15, codeSeconds: 600, now: () => clock };
    const handler = slowDown(options)(pending, undefined as never);
    return Promise.resolve(handler({ oidc: { params: { device_code: "x" } } } as never)).catch(
      (error: errors.OIDCProviderError) => error.error,
    );
  };
  const answers = [];
  for (const wait of [0, 1, 6, 12, 12, 15, 15]) answers.push(await poll(wait));
  assert.deepEqual(answers, [
    "authorization_pending", // The first is free.
    "slow_down", // 1 s < 5 s: 10 s from here.
    "slow_down", // 6 s < 10 s: 15 s from here, the ceiling.
    "slow_down", // 12 s < 15 s.
    ...["slow_down", "authorization_pending", "authorization_pending"],
  ]);
});

test("an answer other than authorization_pending comes through at once", async () => {
  const state = { get: async () => ({ at: Date.now(), seconds: 60 }) as never, set: async () => {} };
  const denied = async () => {
    throw new errors.AccessDenied();
  };
  const handler = slowDown({ state, intervalSeconds: 5, codeSeconds: 600 })(denied, undefined as never);
  await assert.rejects(async () => handler({ oidc: { params: { device_code: "x" } } } as never), {
    error: "access_denied",
  });
});
