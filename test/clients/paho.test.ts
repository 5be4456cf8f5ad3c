import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startPlatform } from "../support/platform.ts";
import { checkRecording, RECORDING } from "../support/recording.ts";
import { unless } from "../support/requirements.ts";

const script = fileURLToPath(new URL("./paho_replay.py", import.meta.url));
const python = process.env["PAHO_PYTHON"] ?? "python3";
const found = spawnSync(python, ["-c", "import paho.mqtt"]).status === 0;
const skip = unless("recordings") || (found ? false : "needs paho-mqtt in PAHO_PYTHON or python3");

for (const version of ["3.1.1", "5"])
  test(`50,270 real messages by paho-mqtt at QoS 1, MQTT ${version}: all acknowledged, REST equals the raw file`, {
    skip,
    timeout: 300_000,
  }, async () => {
    const platform = await startPlatform();
    try {
      const child = spawn(
        python,
        [script, "--http", platform.http, "--mqtt", platform.mqtt, "--version", version, RECORDING],
        { stdio: ["ignore", "pipe", "inherit"] },
      );
      let stdout = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        stdout += text;
      });
      const code = await new Promise((resolve) => child.once("close", resolve));
      assert.equal(code, 0, stdout);
      const { sent, acknowledged } = JSON.parse(stdout) as { sent: number; acknowledged: number };
      assert.deepEqual({ sent, acknowledged }, { sent: 50_270, acknowledged: 50_270 });
      await checkRecording(platform);
    } finally {
      await platform.stop();
    }
  });
