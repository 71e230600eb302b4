// A small action on every supported Node: pack a model, verify it, load it, ask it.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { denseRuntime, loadModel, packModel, verifyModel, writeDenseModel } from "@millwright/model";

const root = await mkdtemp(join(tmpdir(), "millwright-smoke-"));
const dense = writeDenseModel([{ kernel: [0.5, -0.25], bias: [0.1], activation: "sigmoid" }]);
await packModel(join(root, "late", "1"), { name: "late", format: "dense", ...dense });
const model = await loadModel(await verifyModel(join(root, "late", "1")), [denseRuntime()]);
const features = { dtype: "float32", shape: [1, 2], data: Float32Array.of(1, 2) };
const { prediction } = await model.predict({ features });
assert.ok(Math.abs(prediction.data[0] - 1 / (1 + Math.exp(-0.1))) < 1e-6);
await model[Symbol.asyncDispose]();
await rm(root, { recursive: true });
