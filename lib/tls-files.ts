import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

/** A certificate with its chain and its key, as PEM files. */
export interface TlsFiles {
  certFile: string;
  keyFile: string;
}

/** Reads both, and that they belong together. @throws Error naming the variable and file that is wrong. */
export function readTlsFiles({ certFile, keyFile }: TlsFiles): { cert: Buffer; key: Buffer } {
  const cert = tried(`TLS_CERT_FILE ${certFile}`, () => readFileSync(certFile));
  const key = tried(`TLS_KEY_FILE ${keyFile}`, () => readFileSync(keyFile));
  const certificate = tried(`TLS_CERT_FILE ${certFile}`, () => new X509Certificate(cert));
  const privateKey = tried(`TLS_KEY_FILE ${keyFile}`, () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey))
    throw new Error(`TLS_KEY_FILE ${keyFile} is not the key of TLS_CERT_FILE ${certFile}`);
  return { cert, key };
}

function tried<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new Error(`${what} cannot be used: ${(cause as Error).message}`, { cause });
  }
}
