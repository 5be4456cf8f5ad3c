import type { JSONWebKeySet } from "jose";

/** Where an issuer's public keys come from. */
export interface JwksSource {
  /** For operators. */
  readonly name: string;
  fetch(): Promise<JSONWebKeySet>;
}

export interface HttpJwksOptions {
  timeoutMs: number;
  bytesMax: number;
}

/** The key set document at a URL (RFC 7517 §5); redirects are not followed. */
export const httpJwks = (url: string, { timeoutMs, bytesMax }: HttpJwksOptions): JwksSource => ({
  name: url,
  async fetch() {
    const response = await fetch(url, {
      headers: { accept: "application/jwk-set+json, application/json" },
      redirect: "error",
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`${url} answers ${response.status}`);
    }
    return JSON.parse(await limited(response, bytesMax)) as JSONWebKeySet;
  },
});

async function limited({ body, url }: Response, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new Error(`${url} answers more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
