import assert from "node:assert/strict";
import { test } from "node:test";
import type { MetricValue } from "../../../../schemas/telemetry.ts";
import { Figures } from "../../../../services/telemetry/migration/figures.ts";

const figuresOf = (values: readonly (readonly [ts: number, m: MetricValue])[]) => {
  const figures = new Figures();
  for (const [ts, m] of values) figures.add({ tenantId: "t", deviceId: "d", ts, seq: 1, values: { m } });
  return figures;
};
const differences = (here: [number, MetricValue][], there: [number, MetricValue][]) =>
  figuresOf(here).differences(figuresOf(there));

test("the same readings are equal in any order; what differs is named by device, metric and figure", () => {
  const values: [number, MetricValue][] = [
    [1, 0.1],
    [2, true],
    [3, "x"],
    [4, -7],
  ];
  assert.deepEqual(differences(values, values.toReversed()), []);
  const metric = 'readings of t/d, metric "m": ';
  assert.deepEqual(differences(values, values.slice(1)), [`${metric}count 4 here, 3 there`]);
  assert.deepEqual(differences([[1, 1]], [[1, 2]]), [`${metric}sum 1 here, 2 there`]);
  assert.deepEqual(
    differences(
      [
        [1, 1],
        [2, 3],
      ],
      [
        [1, 2],
        [2, 2],
      ],
    ),
    [`${metric}min 1 here, 2 there`],
  );
  assert.deepEqual(differences([[1, 1]], []), [`${metric}count 1 here, 0 there`]);
  const [single] = differences(
    [
      [1, 1],
      [2, 3],
    ],
    [
      [1, 3],
      [2, 1],
    ],
  );
  assert.equal(single, `${metric}count, sum and extremes are the same, single values or their times are not`);
  assert.equal(differences([[1, "1"]], [[1, "2"]]).length, 1, "a text");
  assert.equal(differences([[1, true]], [[1, 1]]).length, 1, "a type");
});
