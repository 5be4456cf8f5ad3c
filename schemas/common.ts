import { z } from "zod";

/** Device identifier, unique per tenant; appears in topics and paths. */
export const DeviceId = z
  .string()
  .regex(/^[A-Za-z0-9._:-]{1,128}$/, "must be 1 to 128 characters of A-Z a-z 0-9 . _ : -")
  // In a path these two are no names.
  .regex(/^(?!\.{1,2}$)/, "must not be . or ..")
  .meta({ id: "DeviceId", example: "boiler-7" });

/** Tenant identifier; never taken from a parameter, always from the credential. */
export const TenantId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "must be 1 to 63 characters of a-z 0-9 -, beginning with a letter or digit")
  .meta({ id: "TenantId", example: "default" });

/** Instant as RFC 3339, in answers always UTC (`Z`), microseconds where they are known. */
export const Instant = z.iso
  .datetime({ offset: true })
  .max(40)
  .meta({ id: "Instant", example: "2026-01-01T00:00:00Z" });

/** Opaque place in a list, as a former page gave it. */
export const Cursor = z.string().min(1).max(512).meta({ id: "Cursor" });

/** Items of one page at most. */
export const PAGE_ITEMS_MAX = 1000;

/** Text of decimal digits as its number: coercion would take " " for 0 and "0x10" for 16. */
const ofDigits = (value: unknown) => (typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : value);

export const PageLimit = z
  .preprocess(ofDigits, z.int("must be a whole number").min(1).max(PAGE_ITEMS_MAX))
  .meta({ type: "integer", minimum: 1, maximum: PAGE_ITEMS_MAX }) as unknown as z.ZodType<number, number | string>;

/** The same with a default, which the API document has to be told: what goes before parsing hides it. */
export const pageLimit = (items = 100) => PageLimit.default(items).meta({ default: items });

/** One page of a list (`{items, nextCursor?}`); without `nextCursor` it is the last. */
export const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ items: z.array(item).max(10_000), nextCursor: Cursor.optional() });
