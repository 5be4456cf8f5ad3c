import { randomBytes, randomUUID } from "node:crypto";
import { existsSync, linkSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";

const KEY = /^[A-Za-z0-9_-]{43}$/;

export interface MasterKeyOptions {
  /** 32 bytes, base64url; without it the file. */
  key?: string | undefined;
  file: string;
}

/**
 * The key that seals what the service keeps, and of which cookies and nonces are derived: the same on every node. The
 * file is made where there is none.
 *
 * @throws Error naming the file that is no key or cannot be read
 */
export function readMasterKey({ key, file }: MasterKeyOptions): { key: Buffer; made: boolean } {
  if (key !== undefined) return { key: Buffer.from(key, "base64url"), made: false };
  const made = !existsSync(file) && makeKeyFile(file);
  const text = readFileSync(file, "utf8").trim();
  if (!KEY.test(text)) throw new Error(`${file} is no key: 43 characters of base64url`);
  return { key: Buffer.from(text, "base64url"), made };
}

/** Of several processes that begin at once one makes it, and nobody sees half of it. */
function makeKeyFile(file: string): boolean {
  const draft = `${file}.${randomUUID()}.part`;
  writeFileSync(draft, `${randomBytes(32).toString("base64url")}\n`, { mode: 0o600, flag: "wx", flush: true });
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  } finally {
    unlinkSync(draft);
  }
}
