import { createHmac, pbkdf2Sync } from "node:crypto";
import type { DeviceKey } from "../edge-policy.ts";
import { DOWNLINKS, outerTopic, UPLINKS } from "./topics.ts";

/** A device that may connect. */
export interface Account extends DeviceKey {
  /** Of its secret, as mosquitto's password files have it. */
  readonly hash: string;
}

/** The tenant that a user name without one belongs to. */
const UNNAMED_TENANT = "default";
const ROUNDS = 101;

/** User names of a device. A password file has no `:` in them: it is written `%3A`. */
export function usernamesOf({ tenantId, deviceId }: DeviceKey): string[] {
  const name = deviceId.replaceAll(":", "%3A");
  return tenantId === UNNAMED_TENANT ? [`${tenantId}/${name}`, name] : [`${tenantId}/${name}`];
}

/** Lines of the password file. */
export const passwordLines = (account: Account): string =>
  usernamesOf(account)
    .map((name) => `${name}:${account.hash}\n`)
    .join("");

/** Lines of the ACL file: its own topics, and no others. */
export function aclLines(device: DeviceKey): string {
  const topic = (kind: "read" | "write", below: string) =>
    `topic ${kind} ${outerTopic(device, `devices/${device.deviceId}/${below}`)}\n`;
  const rules =
    UPLINKS.map((below) => topic("write", below)).join("") + DOWNLINKS.map((below) => topic("read", below)).join("");
  return usernamesOf(device)
    .map((name) => `user ${name}\n${rules}`)
    .join("");
}

/** The bridge's own lines: it reads what devices publish, and publishes what they read. */
export function bridgeLines(url: string): { password: string; acl: string } {
  const { username, password } = new URL(url);
  const [name, secret] = [decodeURIComponent(username), decodeURIComponent(password)];
  if (name === "" || /[:\n\r]/.test(name)) throw new Error("MQTT_URL: must name a user, without a colon in it");
  // The same in every process: a file that says nothing new is not written again.
  const salt = createHmac("sha256", secret).update(name).digest().subarray(0, 12);
  const hash = pbkdf2Sync(secret, salt, ROUNDS, 64, "sha512").toString("base64");
  const rules = [
    ...UPLINKS.map((below) => `topic read +/devices/+/${below}`),
    ...DOWNLINKS.map((below) => `topic write +/devices/+/${below}`),
  ];
  return {
    password: `${name}:$7$${ROUNDS}$${salt.toString("base64")}$${hash}\n`,
    acl: `user ${name}\n${rules.join("\n")}\n`,
  };
}
