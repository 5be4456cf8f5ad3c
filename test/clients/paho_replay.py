#!/usr/bin/env python3
"""Replays a recording with paho-mqtt: QoS 1, a client per device, every message acknowledged or exit code 1.

    paho_replay.py --http http://127.0.0.1:3000 --mqtt mqtt://127.0.0.1:1883 --version 5 mqtt_env_3dev.jsonl.gz

Lines are AWS IoT payloads, {"data": {...}, "device_id": ..., "ts": <seconds>}. Prints one line of JSON.
"""

import argparse
import gzip
import json
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import paho.mqtt.client as paho


class Device:
    """One device on its connection, with a bounded number of messages in flight."""

    def __init__(self, device_id, secret, url, version, window):
        self.id = device_id
        self.failures = []
        self.acknowledged = 0
        self._window = threading.Semaphore(window)
        self._connected = threading.Event()
        self._client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id=device_id,
            protocol=paho.MQTTv5 if version == "5" else paho.MQTTv311,
        )
        self._client.username_pw_set(device_id, secret)
        # paho's default of 20 would be the window, and without a bound it queues all.
        self._client.max_inflight_messages_set(window)
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        self._client.on_disconnect = self._on_disconnect
        self._client.connect(url.hostname, url.port)
        self._client.loop_start()
        if not self._connected.wait(10):
            raise SystemExit(f"{device_id}: no CONNACK")
        if self.failures:
            raise SystemExit(f"{device_id}: {self.failures[0]}")

    def publish(self, payload):
        if not self._window.acquire(timeout=30):
            raise SystemExit(f"{self.id}: no PUBACK for 30 s")
        info = self._client.publish(f"devices/{self.id}/telemetry", payload, qos=1)
        if info.rc != paho.MQTT_ERR_SUCCESS:
            self.failures.append(paho.error_string(info.rc))

    def close(self):
        self._client.on_disconnect = None
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, _client, _userdata, _flags, reason, _properties):
        if reason.is_failure:
            self.failures.append(f"CONNACK {reason}")
        self._connected.set()

    def _on_publish(self, _client, _userdata, _mid, reason, _properties):
        if reason.is_failure:
            self.failures.append(f"PUBACK {reason}")
        else:
            self.acknowledged += 1
        self._window.release()

    def _on_disconnect(self, _client, _userdata, _flags, reason, _properties):
        self.failures.append(f"disconnected: {reason}")


def post(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method="POST", headers={"content-type": "application/json"} if data else {})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def secret_of(http, device_id):
    try:
        post(f"{http}/v1/devices", {"id": device_id})
    except urllib.error.HTTPError as error:
        if error.code != 409:
            raise
    return post(f"{http}/v1/devices/{urllib.parse.quote(device_id, safe='')}/credentials")["secret"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--http", default="http://127.0.0.1:3000")
    parser.add_argument("--mqtt", default="mqtt://127.0.0.1:1883")
    parser.add_argument("--version", choices=["3.1.1", "5"], default="5")
    parser.add_argument("--window", type=int, default=200)
    parser.add_argument("recording")
    options = parser.parse_args()
    url = urllib.parse.urlsplit(options.mqtt)

    devices = {}
    sent = 0
    started = time.monotonic()
    with gzip.open(options.recording, "rt", encoding="utf-8") as lines:
        for line in lines:
            message = json.loads(line)
            device_id = message["device_id"]
            if device_id not in devices:
                secret = secret_of(options.http, device_id)
                devices[device_id] = Device(device_id, secret, url, options.version, options.window)
            payload = json.dumps({"ts": message["ts"], "values": message["data"]}, separators=(",", ":"))
            devices[device_id].publish(payload)
            sent += 1

    def acknowledged():
        return sum(device.acknowledged for device in devices.values())

    deadline = time.monotonic() + 30
    while acknowledged() < sent and time.monotonic() < deadline and not any(d.failures for d in devices.values()):
        time.sleep(0.01)
    seconds = time.monotonic() - started
    for device in devices.values():
        device.close()
    failures = [f"{device.id}: {failure}" for device in devices.values() for failure in device.failures]
    for failure in failures[:10]:
        print(failure, file=sys.stderr)
    print(json.dumps({"version": options.version, "sent": sent, "acknowledged": acknowledged(), "seconds": round(seconds, 2)}))
    return 0 if acknowledged() == sent and not failures else 1


if __name__ == "__main__":
    sys.exit(main())
