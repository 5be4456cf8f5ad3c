/** When each session without a connection expires; in the order of their waiting, all together and by device. */
export class ParkedSessions {
  /** By client id as the broker knows it, the longest waiting first. */
  readonly #expiries = new Map<string, number>();
  readonly #byDevice = new Map<string, Set<string>>();

  get size(): number {
    return this.#expiries.size;
  }

  /** The session begins to wait now. */
  set(client: string, expiresAt: number): void {
    this.delete(client);
    this.#expiries.set(client, expiresAt);
    const device = deviceOf(client);
    const own = this.#byDevice.get(device);
    if (own) own.add(client);
    else this.#byDevice.set(device, new Set([client]));
  }

  delete(client: string): void {
    if (!this.#expiries.delete(client)) return;
    const device = deviceOf(client);
    const own = this.#byDevice.get(device);
    own?.delete(client);
    if (own?.size === 0) this.#byDevice.delete(device);
  }

  hasExpired(client: string, now: number): boolean {
    return (this.#expiries.get(client) ?? Number.POSITIVE_INFINITY) <= now;
  }

  expired(now: number): string[] {
    return [...this.#expiries].filter(([, expiresAt]) => expiresAt <= now).map(([client]) => client);
  }

  /** The ones beyond `max` that have waited longest. */
  beyond(max: number): string[] {
    return first(this.#expiries.keys(), this.size - max);
  }

  /** Of the sessions of this one's device, the ones beyond `max` that have waited longest. */
  beyondOfDevice(client: string, max: number): string[] {
    const own = this.#byDevice.get(deviceOf(client));
    return own ? first(own.keys(), own.size - max) : [];
  }
}

function first(clients: Iterable<string>, count: number): string[] {
  const found: string[] = [];
  for (const client of clients) {
    if (found.length >= count) break;
    found.push(client);
  }
  return found;
}

/** `@tenant/device/` of `@tenant/device/id`. */
const deviceOf = (client: string): string => client.slice(0, client.indexOf("/", client.indexOf("/") + 1) + 1);
