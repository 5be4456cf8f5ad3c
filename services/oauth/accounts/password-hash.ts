import { argon2, randomBytes, timingSafeEqual } from "node:crypto";

/** OWASP's recommendation for argon2id: 19 MiB, two passes, one lane. */
const PARAMETERS = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 } as const;
const PHC = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

const derive = (password: string, nonce: Buffer, parameters: Omit<typeof PARAMETERS, "tagLength">): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    argon2("argon2id", { ...PARAMETERS, ...parameters, message: password, nonce }, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });

const base64 = (bytes: Buffer) => bytes.toString("base64").replaceAll("=", "");

/** Argon2id in the PHC string format, which says how it was made. */
export async function hashPassword(password: string): Promise<string> {
  const nonce = randomBytes(16);
  const { memory, passes, parallelism } = PARAMETERS;
  const key = await derive(password, nonce, PARAMETERS);
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(nonce)}$${base64(key)}`;
}

/** @param hash as `hashPassword` made it; where there is none it takes as long, and is false */
export async function isPassword(password: string, hash: string | undefined): Promise<boolean> {
  const [, memory, passes, parallelism, nonce = "", expected = ""] = PHC.exec(hash ?? "") ?? [];
  if (hash === undefined || memory === undefined) {
    await derive(password, Buffer.alloc(16), PARAMETERS);
    return false;
  }
  const given = { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) };
  const key = await derive(password, Buffer.from(nonce, "base64"), given as typeof PARAMETERS);
  const stored = Buffer.from(expected, "base64");
  return key.length === stored.length && timingSafeEqual(key, stored);
}
