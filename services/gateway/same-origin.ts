import type { IncomingMessage } from "node:http";
import { ForeignHostError, ForeignOriginError } from "./errors.ts";

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;
const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Where REST asks for no credential (AUTH=off), loopback is all that protects it, and a browser on the machine is inside. A page of
 * another site may not write (its `Origin` is not ours), nor read by pointing a name of its own at this address (its
 * `Host` is no loopback name). Beyond loopback names can't be known, so there only the origin is checked.
 */
export class SameOrigin {
  readonly #checksHost: boolean;
  readonly #publicHost: string | undefined;

  /**
   * @param host that is listened on
   * @param issuer where the platform is reached from outside, by something before it that keeps `Host`
   */
  constructor(host: string, issuer?: string) {
    this.#checksHost = LOOPBACK.test(host) || host === "::1";
    this.#publicHost = issuer && hostOf(issuer);
  }

  /**
   * @param anyOrigin who may read the answer is decided elsewhere, and no cookie counts
   * @throws ForeignHostError, ForeignOriginError
   */
  check({ method = "GET", headers }: IncomingMessage, { anyOrigin = false } = {}): void {
    const host = (headers.host ?? "").toLowerCase();
    if (this.#checksHost && !LOOPBACK.test(host.replace(/:\d*$/, "")) && host !== this.#publicHost)
      throw new ForeignHostError();
    if (anyOrigin || SAFE.has(method) || headers.origin === undefined) return;
    if (hostOf(headers.origin) !== host) throw new ForeignOriginError();
  }
}

const hostOf = (origin: string) => (URL.canParse(origin) ? new URL(origin).host : undefined);
