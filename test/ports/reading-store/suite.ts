import { describe } from "node:test";
import { aggregates } from "./suite/aggregates.ts";
import { deleting } from "./suite/deleting.ts";
import { listing } from "./suite/listing.ts";
import { names } from "./suite/names.ts";
import { ranges } from "./suite/ranges.ts";
import type { OpenStore } from "./suite/subject.ts";
import { values } from "./suite/values.ts";
import { writing } from "./suite/writing.ts";

/** What every reading store promises, whatever engine it stands on. */
export function readingStoreSuite(engine: string, open: OpenStore): void {
  describe(`reading store on ${engine}`, () => {
    writing(open);
    names(open);
    values(open);
    ranges(open);
    aggregates(open);
    deleting(open);
    listing(open);
  });
}
