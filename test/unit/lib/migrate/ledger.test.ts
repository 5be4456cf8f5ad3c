import assert from "node:assert/strict";
import { test } from "node:test";
import { Ledger } from "../../../../lib/migrate/ledger.ts";

test("two sides with the same things in another order are equal; what is missing, more or another is named", () => {
  const ledger = new Ledger("document of d");
  for (const id of ["a", "b", "c"]) ledger.addHere(id, id);
  for (const id of ["c", "a", "b"]) ledger.addThere(id, id);
  assert.deepEqual(ledger.comparison("d"), { what: "d", here: "3", there: "3", differences: [] });

  const apart = new Ledger("document of d");
  for (const id of ["a", "b", "c"]) apart.addHere(id, id);
  apart.addThere("a", "a");
  apart.addThere("b", "another");
  apart.addThere("d", "d");
  assert.deepEqual(apart.comparison("d"), {
    ...{ what: "d", here: "3", there: "3" },
    differences: [
      "document of d b: is another one there",
      "document of d d: is not here",
      "document of d c: is not there",
    ],
  });
});

test("a thing that is there twice is a difference", () => {
  const ledger = new Ledger("name");
  ledger.addHere("a", "a");
  ledger.addThere("a", "a");
  ledger.addThere("a", "a");
  assert.deepEqual(ledger.differences, ["name a: is not here"]);
});
