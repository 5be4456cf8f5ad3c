import { z } from "zod";

/** Items of one bulk request at most. */
export const BULK_ITEMS_MAX = 1000;

export const BulkLimit = z.int().min(1).max(BULK_ITEMS_MAX).default(BULK_ITEMS_MAX);

const More = z.boolean().describe("Whether the filter finds more than were looked at.");

export const BulkRedriven = z
  .object({
    redriven: z.int(),
    /** Those that stay, and why. */
    failed: z.array(z.object({ id: z.string(), code: z.string(), message: z.string() })).max(BULK_ITEMS_MAX),
    more: More,
  })
  .meta({ id: "BulkRedriven" });
export type BulkRedriven = z.infer<typeof BulkRedriven>;

export const BulkDiscarded = z.object({ discarded: z.int(), more: More }).meta({ id: "BulkDiscarded" });

/** A bulk request without a filter is more likely a mistake than a wish. */
export const someFilter = (filter: object): boolean =>
  Object.entries(filter).some(([name, value]) => name !== "limit" && value !== undefined);
export const SOME_FILTER = { message: "at least one filter is needed", path: ["filter"] };
