import { setTimeout as sleep } from "node:timers/promises";
import type { Aggregate, AggregateFunction, Reading, RejectedMessage } from "../../schemas/telemetry.ts";

/** An answer outside 2xx; the message holds method, path, status and body. */
export class RestError extends Error {
  override name = "RestError";
  readonly status: number;

  constructor(request: string, status: number, body: string) {
    super(`${request}: ${status} ${body}`);
    this.status = status;
  }
}

export interface ReadingsQuery {
  from?: string;
  to?: string;
  metrics?: string;
  order?: "asc" | "desc";
}

export interface AggregatesQuery extends ReadingsQuery {
  /** ISO 8601 duration. */
  interval: string;
  aggregate?: AggregateFunction[];
}

/** Items of one page of the lists that are read to their end. */
const PAGE = 1000;

/** The REST interface as tests use it, from the outside. */
export function restClient(http: string) {
  async function request(method: string, path: string, body?: unknown): Promise<unknown> {
    for (;;) {
      const response = await fetch(`${http}${path}`, {
        method,
        ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
      });
      const text = await response.text();
      if (response.status === 429) await sleep(Number(response.headers.get("retry-after") ?? 1) * 1000);
      else if (!response.ok) throw new RestError(`${method} ${path}`, response.status, text);
      else return text === "" ? undefined : JSON.parse(text);
    }
  }

  async function all<Item>(path: string, query: Record<string, string>): Promise<Item[]> {
    const items: Item[] = [];
    let cursor: string | undefined;
    do {
      const search = new URLSearchParams({ ...query, limit: String(PAGE), ...(cursor ? { cursor } : {}) });
      const page = (await request("GET", `${path}?${search}`)) as { items: Item[]; nextCursor?: string };
      items.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor);
    return items;
  }

  const device = (id: string) => `/v1/devices/${encodeURIComponent(id)}`;
  return {
    request,
    /** Registers a device; one that is registered stays as it is. */
    async register(id: string): Promise<void> {
      await request("POST", "/v1/devices", { id }).catch((error: unknown) => {
        if (!(error instanceof RestError && error.status === 409)) throw error;
      });
    },
    /** Makes a credential of the device; where it has two, in place of the older one. */
    async credential(id: string): Promise<string> {
      const path = `${device(id)}/credentials`;
      const { items } = (await request("GET", path)) as { items: { credentialId: string }[] };
      const [oldest, second] = items;
      if (oldest && second) await request("DELETE", `${path}/${oldest.credentialId}`);
      return ((await request("POST", path)) as { secret: string }).secret;
    },
    /** All readings, page by page. */
    readings: (id: string, query: ReadingsQuery = {}) => all<Reading>(`${device(id)}/readings`, { ...query }),
    /** All aggregates, page by page. */
    aggregates: (id: string, { aggregate, ...query }: AggregatesQuery) =>
      all<Aggregate>(`${device(id)}/readings`, {
        ...query,
        ...(aggregate ? { aggregate: aggregate.join(",") } : {}),
      }),
    rejected: () => all<RejectedMessage>("/v1/rejected-messages", {}),
  };
}

export type RestClient = ReturnType<typeof restClient>;
