import type { Service, ServiceBroker } from "moleculer";
import { z } from "zod";
import { DenyList } from "../../lib/tokens/deny-list.ts";
import { httpJwks } from "../../lib/tokens/jwks-source.ts";
import { KeySet } from "../../lib/tokens/key-set.ts";
import { ToldRevocation } from "../../schemas/revocation.ts";
import { ownJwks } from "./own-jwks.ts";

export interface IssuerSettings {
  /** `iss` of its tokens. */
  issuer: string;
  /** Of an issuer elsewhere; left out: the platform's own, which is asked by its actions. */
  jwksUrl?: string;
  jwksRefreshSeconds: number;
  jwksCooldownSeconds: number;
  revocationsRefreshSeconds: number;
}

const REVOCATIONS_ACTION = "oauth.revocations";
/** Of one question to the issuer. */
const TIMEOUT_MS = 5000;
const JWKS_BYTES_MAX = 262_144;
/** Between two tries while something that is needed is not known. */
const RETRY_MS = 1000;

const Page = z.object({ items: z.array(ToldRevocation), nextCursor: z.string().optional() });

/**
 * What a gateway knows of the issuer: its keys, and which tokens have ended. Both are asked for at the start and now and
 * then; an event tells a revocation at once, and is lost where it cannot be delivered.
 */
export class IssuerLink {
  readonly keys: KeySet;
  readonly denied = new DenyList();
  readonly #broker: ServiceBroker;
  readonly #logger: Service["logger"];
  readonly #settings: IssuerSettings;
  /** Why the list of revocations was not had yet; undefined once it was. */
  #unknown: string | undefined = "not asked yet";
  #timer: NodeJS.Timeout | undefined;
  #opening: Promise<void> | undefined;
  #closed = false;

  /** @param changed told when the issuer has other keys. */
  constructor(broker: ServiceBroker, logger: Service["logger"], settings: IssuerSettings, changed: () => void) {
    const { issuer, jwksUrl, jwksRefreshSeconds: refreshSeconds, jwksCooldownSeconds: cooldownSeconds } = settings;
    const source = jwksUrl === undefined ? ownJwks(broker, issuer, TIMEOUT_MS) : httpJwks(jwksUrl, limits);
    this.keys = new KeySet(source, { refreshSeconds, cooldownSeconds, changed });
    this.#broker = broker;
    this.#logger = logger;
    this.#settings = settings;
  }

  /** Asks for keys and revocations, and goes on asking. Resolves also where the issuer is away. */
  open(): Promise<void> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** Without the platform's own list a token that was revoked could pass. An issuer elsewhere has none. */
  get revocationsUnknown(): string | undefined {
    if (this.#unknown === undefined || this.#settings.jwksUrl !== undefined) return undefined;
    return `the issuer's revocations are not known: ${this.#unknown}`;
  }

  /** Why no token can be judged; undefined where they can. */
  get trouble(): string | undefined {
    return this.keys.trouble ?? this.revocationsUnknown;
  }

  /** Takes the event `oauth.revoked`. */
  hear(payload: unknown): void {
    const parsed = ToldRevocation.safeParse(payload);
    if (parsed.success) this.denied.add(parsed.data);
    else this.#logger.error("A revocation that cannot be read.", { issues: parsed.error.issues });
  }

  /** Takes the event `oauth.keys-changed`: the former keys serve until the others are here. */
  keysChanged(): void {
    this.keys.refresh().catch((error: unknown) => this.#logger.warn("The issuer's keys cannot be had.", { error }));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #open(): Promise<void> {
    await Promise.allSettled([
      this.keys.trouble !== undefined || this.keys.isOld ? this.keys.refresh() : undefined,
      this.#loadRevocations(),
    ]);
    if (this.#closed) return;
    clearTimeout(this.#timer);
    const waitMs = this.trouble === undefined ? this.#settings.revocationsRefreshSeconds * 1000 : RETRY_MS;
    this.#timer = setTimeout(() => void this.open(), waitMs).unref();
  }

  async #loadRevocations(): Promise<void> {
    try {
      let cursor: string | undefined;
      do {
        const params = cursor === undefined ? {} : { cursor };
        const answer = await this.#broker.call<unknown, object>(REVOCATIONS_ACTION, params, { timeout: TIMEOUT_MS });
        const page = Page.parse(answer);
        for (const revocation of page.items) this.denied.add(revocation);
        cursor = page.nextCursor;
      } while (cursor !== undefined);
      this.#unknown = undefined;
    } catch (error) {
      if (this.#unknown !== undefined) this.#unknown = (error as Error).message;
    }
  }
}

const limits = { timeoutMs: TIMEOUT_MS, bytesMax: JWKS_BYTES_MAX };
