import { describe } from "node:test";
import { type Divergences, testsExcept } from "../known-divergences.ts";
import { aggregates } from "./suite/aggregates.ts";
import { deleting } from "./suite/deleting.ts";
import { listing } from "./suite/listing.ts";
import { names } from "./suite/names.ts";
import { ranges } from "./suite/ranges.ts";
import type { OpenStore } from "./suite/subject.ts";
import { values } from "./suite/values.ts";
import { writing } from "./suite/writing.ts";

export interface SuiteOptions {
  known?: Divergences;
  /** Readings of the tests that page through many. @default 5000 */
  readings?: number;
}

/** What every reading store promises, whatever engine it stands on. */
export function readingStoreSuite(engine: string, open: OpenStore, options: SuiteOptions = {}): void {
  const { known = {}, readings = 5000 } = options;
  describe(`reading store on ${engine}`, () => {
    const { test, finish } = testsExcept(known);
    writing(open, test);
    names(open, test);
    values(open, test);
    ranges(open, test, readings);
    aggregates(open, test, readings / 100);
    deleting(open, test);
    listing(open, test);
    if (Object.keys(known).length > 0) finish(engine);
  });
}
