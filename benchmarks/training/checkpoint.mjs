// How long a training waits for a checkpoint: copies of the weights and the optimizer's state handed to the writing thread, against one memcpy of
// the same bytes, and against writing in place. Usage: node benchmarks/training/checkpoint.mjs [rounds]
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openTfjs } from "../../packages/tfjs/dist/index.js";
import { CheckpointWriter } from "../../packages/trainer/dist/checkpoint-writer.js";
import { checkpointOfLoop } from "../../packages/trainer/dist/loop-checkpoints.js";
import { LoopState } from "../../packages/trainer/dist/loop-state.js";
import { saveCheckpoint } from "../../packages/trainer/dist/run-checkpoints.js";

const rounds = Number(process.argv[2] ?? 15);
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** A network of about 5 million weights, with Adam's two moments: 60 MB. */
async function makeLoop() {
  const { tf } = await openTfjs({ device: "wasm" });
  const layers = [1_500, 1_500, 1_500, 1].map((units, index) =>
    tf.layers.dense({ units, ...(index === 0 ? { inputShape: [500] } : {}) }),
  );
  const model = tf.sequential({ layers });
  const optimizer = tf.train.adam(1e-3);
  const loss = (truth, predictions) => tf.mean(tf.squaredDifference(truth, predictions));
  const x = tf.randomNormal([4, 500]);
  optimizer.minimize(() => loss(tf.zeros([4, 1]), model.apply(x)));
  const rows = { rows: 4, width: 500, features: new Float32Array(2_000), labels: new Float32Array(4) };
  const options = { tf, ready: { model, optimizer, loss }, task: "regression", train: rows, validation: undefined };
  const more = { epochs: 1, batchSize: 4, seed: 1, stopping: undefined, fingerprint: {}, checkpointSteps: undefined };
  return new LoopState({ ...options, ...more, lossEverySteps: 1, signal: new AbortController().signal });
}

const directory = await mkdtemp(join(tmpdir(), "millwright-bench-"));
const loop = await makeLoop();
const writer = new CheckpointWriter();
const [stalls, copies, inPlace, whole] = [[], [], [], []];
let bytes = 0;
try {
  for (let round = 0; round < rounds + 2; round += 1) {
    const began = performance.now();
    const checkpoint = await checkpointOfLoop(loop);
    const writing = writer.write({ directory: join(directory, "beside"), step: round, checkpoint, kept: undefined });
    const stall = performance.now() - began;
    await writing;
    const written = performance.now() - began;

    // One copy of the same bytes, into memory as fresh as the checkpoint's.
    const { parts } = await checkpointOfLoop(loop);
    bytes = parts.reduce((sum, { data }) => sum + data.byteLength, 0);
    const copyBegan = performance.now();
    const copied = parts.map(({ data }) => data.slice());
    const copy = performance.now() - copyBegan;
    if (copied.length !== parts.length) throw new Error("Nothing was copied.");

    const placeBegan = performance.now();
    await saveCheckpoint(join(directory, "here"), round, await checkpointOfLoop(loop));
    const place = performance.now() - placeBegan;
    if (round < 2) continue; // the thread starts, code is compiled
    stalls.push(stall);
    copies.push(copy);
    whole.push(written);
    inPlace.push(place);
  }
} finally {
  await writer[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
}
const ms = (values) => Number(median(values).toFixed(2));
const ratios = stalls.map((stall, index) => stall / copies[index]);
console.log(
  JSON.stringify({
    bytes,
    rounds,
    stallMs: ms(stalls),
    copyMs: ms(copies),
    stallPerCopy: ms(ratios),
    writtenMs: ms(whole),
    inPlaceMs: ms(inPlace),
  }),
);
