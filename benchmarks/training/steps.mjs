// Steps of training: our runner's loop, plain and with everything on, against the bare loop of TensorFlow.js, its model.fit, PyTorch and scikit-learn, from the
// same weights over the same rows in the same order with Adam. The losses of 100 steps must agree before time counts; then all take turns.
//   node benchmarks/training/steps.mjs [task] [batch] [steps] [rounds]      PYTHON names a Python with torch, scikit-learn and numpy, if there is one.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openTfjs } from "../../packages/tfjs/dist/index.js";
import { saveCheckpoint } from "../../packages/trainer/dist/run-checkpoints.js";
import { TrainingLoop } from "../../packages/trainer/dist/training-loop.js";
import { makeRows, makeWeights, tasks } from "./steps-tasks.mjs";

const [name = "mlp-16", batch = 256, steps = 400, rounds = 7] = process.argv
  .slice(2)
  .map((text) => (Number.isNaN(Number(text)) ? text : Number(text)));
const task = tasks[name];
const { tf } = await openTfjs({ device: process.env.DEVICE ?? "wasm" });
const data = makeRows(batch * Math.max(steps, 100), task.width, 1);
const folder = mkdtempSync(join(tmpdir(), "millwright-steps-"));

const rate = 1e-3;
const lossOf = (truth, predictions) => tf.mean(tf.metrics.binaryCrossentropy(truth, predictions));
const adam = () => tf.train.adam(rate);

/** A model with the weights that all begin with. */
function freshModel() {
  const model = task.build(tf);
  const shapes = model.weights.map(({ shape }) => shape);
  const tensors = makeWeights(shapes, 2).map((values, at) => tf.tensor(values, shapes[at]));
  model.setWeights(tensors);
  tf.dispose(tensors);
  return model;
}

const rowsOf = (step) => ({
  features: data.features.subarray(step * batch * task.width, (step + 1) * batch * task.width),
  labels: data.labels.subarray(step * batch, (step + 1) * batch),
});

/** What anybody would write. Reads each loss, as all do here. */
async function bare(count) {
  const model = freshModel();
  const optimizer = adam();
  const losses = [];
  const variables = model.trainableWeights.map((weight) => weight.read());
  const began = clock();
  for (let step = 0; step < count; step += 1) {
    const { features, labels } = rowsOf(step);
    const cost = tf.tidy(() => {
      const x = tf.tensor2d(features, [batch, task.width]);
      const y = tf.tensor2d(labels, [batch, 1]);
      return optimizer.minimize(() => lossOf(y, model.apply(x, { training: true })).asScalar(), true, variables);
    });
    losses.push(cost.dataSync()[0]);
    cost.dispose();
  }
  const spent = since(began);
  model.dispose();
  optimizer.dispose();
  return { losses, ...spent };
}

async function fit(count) {
  const model = freshModel();
  model.compile({ optimizer: adam(), loss: "binaryCrossentropy" });
  const x = tf.tensor2d(data.features.subarray(0, count * batch * task.width), [count * batch, task.width]);
  const y = tf.tensor2d(data.labels.subarray(0, count * batch), [count * batch, 1]);
  const losses = [];
  const onBatchEnd = (_, { loss }) => void losses.push(loss);
  const began = clock();
  await model.fit(x, y, { batchSize: batch, epochs: 1, shuffle: false, callbacks: { onBatchEnd } });
  const spent = since(began);
  tf.dispose([x, y]);
  model.dispose();
  return { losses, ...spent };
}

/** Our loop. @param more What is on besides. */
const ours = (more) => async (count) => {
  const model = freshModel();
  const optimizer = adam();
  const losses = [];
  const options = {
    tf,
    ready: { model, optimizer, loss: lossOf },
    task: "binary",
    // In the order in which they stand, as the others walk them.
    train: { rows: count * batch, width: task.width, batch: (_, start) => rowsOf(start / batch) },
    validation: undefined,
    epochs: 1,
    batchSize: batch,
    seed: 1,
    stopping: undefined,
    fingerprint: {},
    checkpointSteps: undefined,
    lossEverySteps: 1,
    signal: new AbortController().signal,
    onStep: (_step, _epoch, loss) => void losses.push(loss),
    onEpoch: () => Promise.resolve("continue"),
    ...more(count),
  };
  rmSync(join(folder, "run"), { recursive: true, force: true });
  const began = clock();
  await new TrainingLoop(options).run();
  const spent = since(began);
  model.dispose();
  optimizer.dispose();
  return { losses, ...spent };
};

/** Early stopping, the best epochs' checkpoints, one more in the middle, a callback at each moment of a step. */
const everything = (count) => ({
  stopping: { metric: "trainLoss", patience: 3, minDelta: 0, restoreBest: true },
  keepBest: { metric: "trainLoss", keep: 2 },
  checkpointSteps: Math.ceil(count / 2),
  save: async (step, checkpoint, kept) => (await saveCheckpoint(join(folder, "run"), step, checkpoint, kept)).folder,
  callbacks: [
    { name: "watcher", state: { last: 0 }, onBatchStart: () => {}, onBatchEnd: () => {}, onEpochEnd: () => {} },
  ],
});

const clock = () => ({ cpu: process.cpuUsage(), wall: performance.now() });
function since({ cpu, wall }) {
  const { user, system } = process.cpuUsage(cpu);
  return { cpuMs: (user + system) / 1_000, wallMs: performance.now() - wall };
}

const python = process.env.PYTHON;
const peer = (script, threads) => {
  const path = new URL(`./peers/${script}`, import.meta.url).pathname;
  return async (count) => {
    const args = [path, folder, String(batch), String(count), threads, String(rate)];
    return JSON.parse(execFileSync(python, args, { encoding: "utf8", maxBuffer: 2 ** 26 }));
  };
};

const contenders = { bare, fit, ours: ours(() => ({})), "ours, everything on": ours(everything) };
if (python !== undefined && task.layers !== undefined) {
  writeFileSync(join(folder, "task.json"), JSON.stringify({ layers: task.layers }));
  const shapes = freshModel().weights.map(({ shape }) => shape);
  writeFileSync(
    join(folder, "weights.bin"),
    Buffer.concat(makeWeights(shapes, 2).map((each) => Buffer.from(each.buffer))),
  );
  writeFileSync(join(folder, "features.bin"), Buffer.from(data.features.buffer));
  writeFileSync(join(folder, "labels.bin"), Buffer.from(data.labels.buffer));
  const can = (module) => spawnSync(python, ["-c", `import ${module}`]).status === 0;
  if (can("torch")) {
    contenders["PyTorch, 1 thread"] = peer("steps_torch.py", "1");
    contenders["PyTorch, 2 threads"] = peer("steps_torch.py", "2");
  }
  if (can("sklearn")) contenders["scikit-learn, 1 thread"] = peer("steps_sklearn.py", "1");
}

try {
  const first = {};
  for (const [who, run] of Object.entries(contenders)) first[who] = (await run(100)).losses;
  const apart = Object.fromEntries(
    Object.entries(first).map(([who, losses]) => [
      who,
      Math.max(...losses.map((loss, step) => Math.abs(loss - first.bare[step]))),
    ]),
  );
  const strayed = Object.entries(apart).filter(([, distance]) => !(distance <= 1e-3));
  // Whoever computes something else is not compared; of our own that would be a fault.
  const faults = strayed.filter(([who]) => who === "fit" || who.startsWith("ours"));
  if (faults.length > 0) throw new Error(`Losses differ from the bare loop's: ${JSON.stringify(faults)}`);
  for (const [who, distance] of strayed) {
    console.error(`${who} is left out: its losses are up to ${distance.toExponential(1)} from the bare loop's.`);
    delete contenders[who];
  }

  const spent = Object.fromEntries(Object.keys(contenders).map((who) => [who, []]));
  const order = Object.entries(contenders);
  for (let round = 0; round < rounds; round += 1)
    for (const [who, run] of round % 2 === 0 ? order : order.toReversed()) spent[who].push(await run(steps));
  const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
  const rows = Object.entries(spent).map(([who, runs]) => {
    const ratios = runs.map(({ cpuMs }, round) => cpuMs / spent.bare[round].cpuMs);
    return {
      who,
      cpuMsPerStep: Number((median(runs.map(({ cpuMs }) => cpuMs)) / steps).toFixed(3)),
      wallMsPerStep: Number((median(runs.map(({ wallMs }) => wallMs)) / steps).toFixed(3)),
      ofBare: Number(median(ratios).toFixed(3)),
      from: Number(Math.min(...ratios).toFixed(3)),
      to: Number(Math.max(...ratios).toFixed(3)),
      lossesApart: apart[who],
    };
  });
  console.log(
    JSON.stringify({ task: name, batch, steps, rounds, device: tf.getBackend(), node: process.version, rows }, null, 1),
  );
} finally {
  rmSync(folder, { recursive: true });
}
