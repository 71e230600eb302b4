import { pathToFileURL } from "node:url";
import { mkdir, writeFile } from "node:fs/promises";
import { batchOf } from "../../packages/data/dist/index.js";
import { openDuckDb } from "../../packages/duckdb/dist/index.js";
import { openJobs } from "../../packages/jobs/dist/index.js";
import * as trainer from "../../packages/trainer/dist/index.js";
import { type FailureTable, methods, type Subjects, well } from "./subjects.ts";

const signal = new AbortController().signal;
const labels = Float32Array.of(0, 1, 1, 0);
const predictions = Float32Array.of(0.1, 0.9, 0.4, 0.2);
const params = { "~standard": { version: 1, vendor: "test", validate: (value: unknown) => ({ value }) } } as const;
const checkpoint = {
  state: { epoch: 1 },
  parts: [{ name: "kernel", shape: [2], dtype: "float32", data: Float32Array.of(1, 2) }],
} as const;

/** The least that can be trained. */
const plainModule = `export default {
  params: { "~standard": { version: 1, vendor: "test", validate: (value) => ({ value }) } },
  build: ({ tf, inputs }) =>
    tf.sequential({ layers: [tf.layers.dense({ units: 1, activation: "sigmoid", inputShape: [inputs] })] }),
};`;

const metrics: Subjects = {
  areaUnderRoc: well(trainer.areaUnderRoc, () => [labels, predictions]),
  binaryMetrics: well(trainer.binaryMetrics, () => [labels, predictions]),
  calibrationBins: well(trainer.calibrationBins, () => [labels, predictions, 4], {
    RangeError: () => trainer.calibrationBins(labels, predictions, 2 ** 53),
  }),
  calibrationError: well(trainer.calibrationError, () => [trainer.calibrationBins(labels, predictions)]),
  logLoss: well(trainer.logLoss, () => [labels, predictions]),
  meanSquaredError: well(trainer.meanSquaredError, () => [labels, predictions]),
  regressionMetrics: well(trainer.regressionMetrics, () => [labels, predictions]),
  defineTraining: well(trainer.defineTraining, () => [{ params, build: () => undefined }]),
  defineCallback: well(trainer.defineCallback, () => [{ name: "count", state: { count: 0 } }]),
  createRule: well(trainer.createRule, () => ["Overfit", { patience: 2 }], {
    TRAINER_INPUT_INVALID: () => trainer.createRule("Overfit", { patience: 0 }),
  }),
  observeLoss: well(trainer.observeLoss, () => ["train", 0.5]),
  observeTensor: well(trainer.observeTensor, () => ["weights", "kernel", labels, { shape: [2, 2] }], {
    RangeError: () => trainer.observeTensor("weights", "kernel", []),
  }),
  chromeTrace: well(trainer.chromeTrace, () => [[{ phase: "data", step: 1, startMs: 0, durationMs: 2 }], "late", 1]),
  formatProfile: well(trainer.formatProfile, () => [
    {
      wallMs: 2,
      phases: {},
      stepMs: { count: 1, mean: 2, p50: 2, p95: 2, max: 2 },
      asynchronous: false,
      system: {},
      findings: [],
    },
  ]),
  profilerFindings: well(trainer.profilerFindings, () => [
    { samples: [{ timeMs: 0, cpuPercent: 99, gpus: [{ utilizationPercent: 1, memoryPercent: 1 }] }], stepsMs: [1, 2] },
    { CPUBottleneck: { patience: 1 } },
  ]),
  defaultPlan: well(trainer.defaultPlan, () => [[{ name: "km", type: "float64" }], "late", ["km"]]),
};

async function checkpoints(folder: string): Promise<Subjects> {
  const kept = `${folder}/kept`;
  await trainer.writeCheckpoint(kept, 1, checkpoint);
  const corrupt = `${folder}/corrupt`;
  await mkdir(corrupt);
  await writeFile(`${corrupt}/checkpoint-000000000001.bin`, "no checkpoint");
  return {
    writeCheckpoint: well(trainer.writeCheckpoint, () => [kept, 2, checkpoint, { signal }], {}, 90),
    readLatestCheckpoint: well(trainer.readLatestCheckpoint, () => [kept, { signal }], {
      TRAINER_CHECKPOINT_CORRUPT: () => trainer.readLatestCheckpoint(corrupt),
    }),
  };
}

export async function openTable(folder: string): Promise<FailureTable> {
  const jobs = await openJobs({ directory: `${folder}/jobs`, maxCpus: 1, retryDelayMs: 1 });
  const options = { jobs, directory: `${folder}/runs` };
  const made = trainer.createTrainer(options);
  await using duckdb = await openDuckDb({ threads: 1 });
  await duckdb.writeParquet(batchOf({ km: [1, 2], late: [0, 1] }), `${folder}/rows.parquet`);
  const train = await (await duckdb.scan(`${folder}/rows.parquet`)).ref();
  const module = pathToFileURL(`${folder}/none.js`).href;
  const plain = pathToFileURL(`${folder}/plain.mjs`).href;
  await writeFile(`${folder}/plain.mjs`, plainModule);
  const start = {
    data: { train },
    label: "late",
    id: "run",
    epochs: 1,
    device: "js",
    retries: 0,
    progress: false,
  } as const;
  const service = { name: "late_v1", digest: train.digest, featureNames: ["km"] };
  const run = await made.start(module, start);
  await run.result().catch(() => {});
  const ended = await made.start(plain, { ...start, id: "ended" });
  await ended.result();
  return {
    subjects: {
      ...metrics,
      ...(await checkpoints(folder)),
      createTrainer: well(trainer.createTrainer, () => [options]),
      ...methods("createTrainer()", () => made, {
        start: [
          // The run there is: attaching to it starts no process.
          () => [
            module,
            { ...start, params: { units: 1 }, featureService: service, checkpoints: { everySteps: 1 }, signal },
          ],
          {
            TRAINER_INPUT_INVALID: () => made.start(module, { ...start, epochs: 0 }),
            TRAINER_LABEL_UNKNOWN: () => made.start(module, { ...start, label: "delay" }),
            TRAINER_FEATURES_MISMATCH: () =>
              made.start(module, { ...start, featureService: service, plan: [{ kind: "numeric", column: "late" }] }),
          },
          50,
        ],
        // Each of its calls is two processes of seconds.
        verify: [
          () => [plain, { data: { train }, label: "late", epochs: 1, device: "js", signal }],
          {
            TRAINER_INPUT_INVALID: () => made.verify(plain, { ...start, determinism: { tolerance: -1 } }),
            TRAINER_LABEL_UNKNOWN: () => made.verify(plain, { ...start, label: "delay" }),
          },
          2,
        ],
        // Each of its calls is a process of seconds.
        reproduce: [
          // A run of one epoch that has ended.
          () => [ended.id, { seed: 1, signal }],
          {
            TRAINER_RECORD_MISSING: () => made.reproduce("never"),
            TRAINER_INPUT_INVALID: () => made.reproduce(ended.id, { directory: folder }),
          },
          2,
        ],
        dryRun: [
          () => [plain, { data: { train }, label: "late", device: "js", signal }],
          {
            TRAINER_INPUT_INVALID: () => made.dryRun(plain, { ...start, stopWhen: { steps: 0 } }),
            TRAINER_LABEL_UNKNOWN: () => made.dryRun(plain, { ...start, label: "delay" }),
          },
          3,
        ],
      }),
      ...methods("createTrainer().start()", () => run, {
        events: [() => [{ signal }]],
        result: [() => [{ signal }], { TRAINER_MODULE_INVALID: () => run.result() }],
        stop: [() => ["enough", { signal }]],
        finish: [
          () => ["enough", { graceMs: 10, signal }],
          { TRAINER_INPUT_INVALID: () => run.finish("enough", { graceMs: -1 }) },
        ],
      }),
    },
    // A run's process takes seconds, and says by its result what it failed of: here stands what is refused before there is one.
    elsewhere: {
      ...Object.fromEntries(
        [
          "CHECKPOINT_UNSUPPORTED",
          "DATA_EMPTY",
          "LABEL_INVALID",
          "LOSS_NOT_FINITE",
          "MODEL_UNFIT",
          "PARAMS_INVALID",
        ].map((code) => [`TRAINER_${code}`, "packages/trainer/test/failures.test.ts"]),
      ),
      TRAINER_DATA_UNREADABLE: "packages/trainer/test/streamed-rows.test.ts",
      ...Object.fromEntries(
        ["RESUME_DIVERGED", "RUN_FAILED", "RUN_STOPPED"].map((code) => [
          `TRAINER_${code}`,
          "packages/trainer/test/resume.test.ts",
        ]),
      ),
      TRAINER_RUN_STALLED: "packages/trainer/test/hangs.test.ts",
      TRAINER_WORKER_RECYCLED: "packages/trainer/test/leaks.test.ts",
      TRAINER_RULE_FIRED: "packages/trainer/test/rule-actions.test.ts",
      TRAINER_CALLBACK_FAILED: "packages/trainer/test/callbacks.test.ts",
      TRAINER_RESUME_INEXACT: "packages/trainer/test/dry-run.test.ts",
      TRAINER_OUT_OF_MEMORY: "packages/trainer/test/memory-guard.test.ts",
      TRAINER_DETERMINISM_BROKEN: "packages/trainer/test/determinism.test.ts",
      TRAINER_PRECISION_UNSUPPORTED: "packages/trainer/test/precision.test.ts",
      TRAINER_PARALLEL_UNFIT: "packages/trainer/test/shards.test.ts",
      TRAINER_WORKERS_LOST: "packages/trainer/test/elastic.test.ts",
      TRAINER_FORMAT_UNFIT: "packages/trainer/test/training.test.ts",
      TRAINER_WRITE_FAILED: "packages/trainer/test/checkpoint-full-disk.test.ts",
    },
    [Symbol.asyncDispose]: () => jobs[Symbol.asyncDispose](),
  };
}
