import type { DeadLetterDocument } from "./dead-letter.model.ts";

/** What callers may ask for. */
export interface LetterFilter {
  channel?: string | undefined;
  group?: string | undefined;
  deviceId?: string | undefined;
  cause?: DeadLetterDocument["cause"] | undefined;
  /** RFC 3339. */
  before?: string | undefined;
}

/** The store's filter; it begins with the tenant, always. */
export const storeFilter = (tenantId: string, { channel, group, deviceId, cause, before }: LetterFilter) => ({
  tenantId,
  ...(channel === undefined ? {} : { channel }),
  ...(group === undefined ? {} : { group }),
  ...(deviceId === undefined ? {} : { deviceId }),
  ...(cause === undefined ? {} : { cause }),
  ...(before === undefined ? {} : { deadAt: { $lt: new Date(before) } }),
});
