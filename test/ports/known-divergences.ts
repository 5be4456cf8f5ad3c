import assert from "node:assert/strict";
import { test as nodeTest, type TestContext } from "node:test";

export type Test = (name: string, run: (t: TestContext) => void | Promise<void>) => void;
/** Name of a test of a port's suite → why an engine's server fails it, against the documentation. */
export type Divergences = Readonly<Record<string, string>>;

/**
 * `test` for a suite on a server that is known to differ: a listed test has to fail. So one that passes by now, or is
 * not there any more, is an error.
 */
export function testsExcept(divergences: Divergences): { test: Test; finish(engine: string): void } {
  const left = new Set(Object.keys(divergences));
  return {
    test(name, run) {
      if (!left.delete(name)) nodeTest(name, run);
      else
        nodeTest(`known divergence: ${name}`, async (t) => {
          await assert.rejects(async () => run(t), Error, "it passes: take it off the list");
        });
    },
    finish(engine) {
      nodeTest(`every known divergence of ${engine} is a test of the suite`, () => {
        assert.deepEqual([...left], []);
      });
    },
  };
}
