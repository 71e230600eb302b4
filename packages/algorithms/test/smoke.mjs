// A small action on every supported Node: fit trees, pack them, ask them.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fitGbdt, packFitted } from "@millwright/algorithms";
import { batchOf, datasetOf } from "@millwright/data";
import { loadModel, treeRuntime } from "@millwright/model";

const x = Float64Array.from({ length: 100 }, (_, row) => row);
const train = datasetOf([batchOf({ x, y: x.map((value) => (value > 49 ? 1 : 0)) })]);
const fitted = await fitGbdt(train, { label: "y", task: "binary" });
const root = await mkdtemp(join(tmpdir(), "millwright-smoke-"));
const packed = await packFitted(join(root, "half", "1"), fitted, { name: "half", train });
const model = await loadModel(packed, [treeRuntime()]);
const { prediction } = await model.predictRow({ x: 80 });
assert.ok(prediction.data[0] > 0.99);
await model[Symbol.asyncDispose]();
await rm(root, { recursive: true });
