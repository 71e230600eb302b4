// A small action on every supported Node: a device is found, a model learns, is saved, and answers the same when loaded.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadLayersModel, openTfjs, saveLayersModel } from "@millwright/tfjs";

const root = await mkdtemp(join(tmpdir(), "millwright-smoke-"));
const tfjs = await openTfjs();
const { tf } = tfjs;
const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2] })] });
model.compile({ optimizer: tf.train.adam(0.1), loss: "meanSquaredError" });
const x = tf.randomUniform([64, 2], -1, 1, "float32", 1);
const y = tf.sum(x, 1, true);
const before = await model.trainOnBatch(x, y);
for (let step = 0; step < 20; step += 1) await model.trainOnBatch(x, y);
assert.ok((await model.trainOnBatch(x, y)) < before);
await saveLayersModel(model, join(root, "model"));
const again = await loadLayersModel(tfjs, join(root, "model"));
assert.deepEqual(again.predict(x).dataSync(), model.predict(x).dataSync());
await rm(root, { recursive: true });
