import assert from "node:assert/strict";
import { test } from "node:test";
import { expiring } from "../../../../lib/migrate/expiring.ts";

test("a document expires by the date that an index lets it expire by, or by the earliest of a list; any other stays", () => {
  const at = (ms: number) => new Date(ms);
  const indexes = [{ key: { _id: 1 } }, { key: { "a.until": 1 }, expireAfterSeconds: 10 }];
  const expires = expiring(indexes, 20_000);
  assert.equal(expires({ a: { until: at(9999) } }), true);
  assert.equal(expires({ a: { until: at(10_000) } }), false);
  assert.equal(expires({ a: { until: [at(90_000), at(1)] } }), true);
  for (const document of [{}, { a: null }, { a: {} }, { a: { until: 1 } }, { until: at(1) }])
    assert.equal(expires(document), false, JSON.stringify(document));
  assert.equal(expiring([{ key: { until: 1 } }], 20_000)({ until: at(1) }), false, "an index like any other");
});
