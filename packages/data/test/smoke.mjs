// A small action on every supported Node: columns, a fitted transform, a profile.
import assert from "node:assert/strict";
import { batchOf, collect, column, datasetOf, fitTransforms, toArray } from "@millwright/data";

const dataset = datasetOf([batchOf({ carrier: ["UA", "AA"], delay: column("float64", [12, null]) })]);
const { columns, length } = await collect(dataset);
assert.equal(length, 2);
assert.deepEqual(toArray(columns.delay), [12, null]);
assert.equal(typeof (await fitTransforms([{ kind: "numeric", column: "delay" }], dataset)), "object");
