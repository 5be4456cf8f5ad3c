import { argon2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

/** OWASP Password Storage Cheat Sheet: argon2id with 19 MiB, two passes, one lane. */
const COST = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 } as const;
const SALT_BYTES = 16;
/** At once: each takes 19 MiB and a thread. */
const AT_ONCE_MAX = 2;

const derive = promisify(argon2);
/** `$argon2id$v=19$m=…,t=…,p=…$SALT$TAG`, the form of the argon2 reference implementation. */
const PHC = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

let running = 0;
const waiting: (() => void)[] = [];

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (running >= AT_ONCE_MAX) await new Promise<void>((resolve) => waiting.push(resolve));
  else running++;
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else running--;
  }
}

const plain = (bytes: Buffer) => bytes.toString("base64").replace(/=+$/, "");

/** What is stored of a password. */
export async function hashPassword(password: string): Promise<string> {
  const nonce = randomBytes(SALT_BYTES);
  const tag = await inTurn(() => derive("argon2id", { ...COST, message: password.normalize("NFKC"), nonce }));
  return `$argon2id$v=19$m=${COST.memory},t=${COST.passes},p=${COST.parallelism}$${plain(nonce)}$${plain(tag)}`;
}

/** Whether it is the password that was hashed. Where there is no hash it takes as long, and is not. */
export async function isPassword(password: string, stored: string | undefined): Promise<boolean> {
  const [, memory, passes, parallelism, salt = "", expected = ""] = PHC.exec(stored ?? "") ?? [];
  const tag = await inTurn(() =>
    derive("argon2id", {
      message: password.normalize("NFKC"),
      nonce: salt === "" ? randomBytes(SALT_BYTES) : Buffer.from(salt, "base64"),
      memory: Number(memory ?? COST.memory),
      passes: Number(passes ?? COST.passes),
      parallelism: Number(parallelism ?? COST.parallelism),
      tagLength: COST.tagLength,
    }),
  );
  const known = Buffer.from(expected, "base64");
  return known.length === tag.length && timingSafeEqual(known, tag);
}
