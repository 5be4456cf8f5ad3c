import assert from "node:assert/strict";
import { test } from "node:test";
import { startPlatform } from "../support/platform.ts";
import { checkRecording, replayBySimulator } from "../support/recording.ts";
import { unless } from "../support/requirements.ts";

test("50,270 real messages by the simulator at QoS 1: REST equals the raw file and the truth", {
  skip: unless("recordings"),
}, async () => {
  const platform = await startPlatform();
  try {
    const { acknowledged } = await replayBySimulator(platform);
    assert.equal(acknowledged, 50_270);
    await checkRecording(platform);
  } finally {
    await platform.stop();
  }
});
