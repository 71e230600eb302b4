// A small action on every supported Node: columns, a fitted transform, expectations, a scan for personal data.
import assert from "node:assert/strict";
import {
  batchOf,
  collect,
  column,
  datasetOf,
  defineExpectations,
  evaluateExpectations,
  expectComplete,
  fitTransforms,
  scanForPii,
  toArray,
} from "@millwright/data";

const dataset = datasetOf([batchOf({ carrier: ["UA", "AA"], delay: column("float64", [12, null]) })]);
const { columns, length } = await collect(dataset);
assert.equal(length, 2);
assert.deepEqual(toArray(columns.delay), [12, null]);
assert.equal(typeof (await fitTransforms([{ kind: "numeric", column: "delay" }], dataset)), "object");
const { results } = await evaluateExpectations(dataset, defineExpectations([expectComplete("delay")]));
assert.deepEqual(results[0].samples, [1]);
assert.equal((await scanForPii(dataset)).columns[0].class, "none");
