import { writeFile } from "node:fs/promises";
import { createIdSource, createManualClock, createRandom, type JobSpec } from "../../packages/contracts/dist/index.js";
import * as jobs from "../../packages/jobs/dist/index.js";
import { failureOf, openWorkerChannel, runWorker } from "../../packages/jobs/dist/worker.js";
import * as storage from "../../packages/storage/dist/index.js";
import { openRemoteTable } from "./jobs-remote.ts";
import { openFetching } from "./jobs-fetch.ts";
import { type FailureTable, methods, type Subjects, well } from "./subjects.ts";

const signal = new AbortController().signal;
const ids = createIdSource(createManualClock(0), createRandom(1));
const stop = { type: "stop", reason: "enough", graceMs: 10 } as const;
const hello = { type: "hello", protocol: 1, pid: 1, node: "v20" } as const;
/** A job that is over before anything can go wrong with it. */
const spec = (id: string): JobSpec => ({
  id,
  run: { command: ["true"] },
  environment: { A: "b" },
  limits: { wallTimeMs: 5_000, graceMs: 50 },
  resources: { cpus: 1, gpus: 0 },
  retries: { max: 1, categories: { bug: 0 }, delayMs: 1, maxDelayMs: 2 },
  spot: { maxRuntimeMs: 5_000, maxWaitMs: 6_000, priceRatio: 0.3 },
  keepAliveMs: 0,
  traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
  metrics: [{ name: "loss", regex: "loss=(.*)" }],
});

const protocolInvalid = (call: () => unknown) => ({ JOBS_PROTOCOL_INVALID: call });

const price = { perHour: { usd: 1 }, priceRatio: 0.5 };
const past = [
  { state: "pending", timeMs: 0 },
  { state: "completed", timeMs: 1 },
] as const;
const costed = { history: past, ...price, idleMs: 1, done: { epochs: 1 }, tenants: { acme: 1 } };
const range = (call: () => unknown) => ({ RangeError: call });

const costs: Subjects = {
  costsOf: well(
    jobs.costsOf,
    () => [[costed]],
    range(() => jobs.costsOf([{ ...costed, idleMs: -1 }])),
  ),
  trainingSlis: well(
    jobs.trainingSlis,
    () => [[{ ...costed, id: "a", name: "late", production: true }]],
    range(() => jobs.trainingSlis([{ ...costed, id: "a", name: "late", idleMs: -1 }])),
  ),
  jobHistories: well(jobs.jobHistories, () => [[]]),
  estimateTraining: well(
    jobs.estimateTraining,
    () => [{ ...price, run: { timeMs: 1 }, scale: 2, machines: 1, lostShare: 0.1 }],
    range(() => jobs.estimateTraining({ ...price, run: { histories: [] } })),
  ),
  estimateTuning: well(
    jobs.estimateTuning,
    () => [{ ...price, run: { timeMs: 1 }, trials: 3, parallelism: 2, shares: [0.5] }],
    range(() => jobs.estimateTuning({ ...price, run: { timeMs: 1 }, trials: -1 })),
  ),
  estimateBatch: well(
    jobs.estimateBatch,
    () => [{ ...price, rows: 10, rowsPerSecond: 1, startMs: 1, machines: 1, lostShare: 0 }],
    range(() => jobs.estimateBatch({ ...price, rows: 10, rowsPerSecond: 0 })),
  ),
  estimateDeployment: well(
    jobs.estimateDeployment,
    () => [{ ...price, hours: 2, requestsPerSecond: [1], capacityPerSecond: 1, minMachines: 1, maxMachines: 2 }],
    range(() => jobs.estimateDeployment({ ...price, hours: 2, requestsPerSecond: [], capacityPerSecond: 1 })),
  ),
  halvingShare: well(
    jobs.halvingShare,
    () => [3, 3],
    range(() => jobs.halvingShare(0, 3)),
  ),
};

const frames: Subjects = {
  encodeFrame: well(jobs.encodeFrame, () => [stop]),
  parseSupervisorFrame: well(
    jobs.parseSupervisorFrame,
    () => [JSON.stringify(stop)],
    protocolInvalid(() => jobs.parseSupervisorFrame('{"type":"stop"}')),
  ),
  parseWorkerFrame: well(
    jobs.parseWorkerFrame,
    () => [JSON.stringify(hello)],
    protocolInvalid(() => jobs.parseWorkerFrame("no JSON")),
  ),
  failureOf: well(failureOf, () => [new TypeError("no")]),
  jobTimes: well(jobs.jobTimes, () => [[{ state: "pending", timeMs: 0 }], { priceRatio: 0.5, nowMs: 10 }], {
    RangeError: () => jobs.jobTimes([], { priceRatio: 2 }),
  }),
  runWorker: well(runWorker, () => [() => 1], { JOBS_NOT_A_WORKER: () => runWorker(() => 1) }),
  openWorkerChannel: well(openWorkerChannel, () => [], { JOBS_NOT_A_WORKER: () => openWorkerChannel() }),
};

async function drained(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items);
}

async function launched(open: jobs.Jobs): Promise<Subjects> {
  const over = await open.launch(spec("over"));
  await over.result();
  const unknown = (call: () => unknown) => ({ PORT_JOB_UNKNOWN: call });
  const log = storage.openMemoryEventLog();
  await open.writeEvents(log);
  return {
    readMetrics: well(jobs.readMetrics, () => [over, { signal }]),
    readTelemetry: well(jobs.readTelemetry, () => [over, { signal }]),
    ...methods("openJobs()", () => open, {
      launch: [
        () => [spec(ids.next()), { signal }],
        {
          JOBS_SPEC_INVALID: () => open.launch({ ...spec(""), id: "" }),
          JOBS_MODULE_UNUSABLE: () => open.launch({ id: "module", run: { module: "./no-url.js" } }),
          JOBS_RESOURCES_IMPOSSIBLE: () => open.launch({ ...spec("huge"), resources: { cpus: 1_000 } }),
        },
        90,
      ],
      attach: [() => ["over", { signal }], unknown(() => open.attach("none"))],
      history: [() => ["over", { signal }], unknown(() => open.history("none"))],
      logs: [() => ["over", { tail: 1, follow: true, signal }], unknown(() => drained(open.logs("none")))],
      warmPool: [() => ["over"]],
      interrupt: [
        () => ["over", "enough", { deadlineMs: 10, signal }],
        {
          ...unknown(() => open.interrupt("none", "enough")),
          RangeError: () => open.interrupt("over", "", { deadlineMs: -1 }),
        },
      ],
      writeEvents: [
        () => [log, { signal }],
        { JOBS_EVENTS_ALREADY_WRITTEN: () => open.writeEvents(storage.openMemoryEventLog()) },
      ],
    }),
    ...methods("openJobs().launch()", () => over, {
      events: [() => [{ signal }]],
      stop: [() => ["enough", { signal }]],
      result: [() => [{ signal }]],
      send: [() => [{ a: 1 }]],
    }),
  };
}

/** A processing job that makes nothing. */
const processing = (directory: string) => ({
  id: ids.next(),
  run: { command: ["true"] as const },
  directory,
  outputs: { none: { optional: true } },
  limits: { wallTimeMs: 5_000 },
});

/** A training job that makes nothing. */
const training = (directory: string) => ({
  id: ids.next(),
  run: { command: ["true"] as const },
  directory,
  hyperparameters: { epochs: 1 },
  hosts: ["algo-1"] as const,
  currentHost: "algo-1",
  instanceType: "local",
  spot: { maxRuntimeMs: 5_000, maxWaitMs: 5_000 },
  checkpointSync: { directory: `${directory}-kept`, everyMs: 1_000 },
  limits: { wallTimeMs: 5_000 },
});

export async function openTable(folder: string): Promise<FailureTable> {
  const options = { directory: `${folder}/jobs`, maxCpus: 8, gpus: ["0"], retryDelayMs: 1, maxEventBytes: 1_000_000 };
  const open = await jobs.openJobs(options);
  const remote = await openRemoteTable(folder);
  const fetching = await openFetching(folder);
  let count = 0;
  return {
    subjects: {
      ...remote.subjects,
      ...frames,
      discoverGpus: well(jobs.discoverGpus, () => [{ nvidiaSmi: ["/nowhere/nvidia-smi"], timeoutMs: 5_000, signal }]),
      ...costs,
      openJobs: well(
        jobs.openJobs,
        () => [
          {
            ...options,
            directory: `${folder}/${(count += 1)}`,
            memoryPollMs: 100,
            notice: { pollMs: 1_000 },
            gpuHeartbeatMs: 9_000,
            telemetryMs: 5_000,
            signal,
          },
        ],
        {
          JOBS_GPU_UNKNOWN: async () => {
            // What nvidia-smi would say of a machine with one device.
            const nvidiaSmi = ["sh", "-c", "echo '0, GPU-a, A100, 40960, Disabled'"] as const;
            await jobs.openJobs({ ...options, gpus: ["7"], leases: storage.openMemoryLeaseStore(), nvidiaSmi });
          },
          JOBS_DIRECTORY_IN_USE: () => jobs.openJobs(options),
          RangeError: () => jobs.openJobs({ ...options, maxCpus: 0 }),
        },
      ),
      runProcessing: {
        ...well(
          jobs.runProcessing,
          async () => [open, processing(`${folder}/processing-${(count += 1)}`), { signal }],
          {
            JOBS_DIRECTORY_TAKEN: async () => {
              await jobs.runProcessing(open, processing(`${folder}/taken`));
              await jobs.runProcessing(open, { ...processing(`${folder}/taken`), id: "another" });
            },
            JOBS_INPUT_MISSING: () =>
              jobs.runProcessing(open, {
                ...processing(`${folder}/none`),
                inputs: { raw: { path: `${folder}/none.csv` } },
              }),
          },
        ),
        rounds: 20,
      },
      ...fetching.subjects,
      runTraining: {
        ...well(jobs.runTraining, async () => [open, training(`${folder}/training-${(count += 1)}`), { signal }], {
          JOBS_DIRECTORY_TAKEN: async () => {
            await jobs.runTraining(open, training(`${folder}/trained`));
            await jobs.runTraining(open, { ...training(`${folder}/trained`), id: "another" });
          },
          JOBS_INPUT_MISSING: () =>
            jobs.runTraining(open, {
              ...training(`${folder}/no-data`),
              channels: { train: { path: `${folder}/no-rows.csv` } },
            }),
          JOBS_MANIFEST_INVALID: async () => {
            await writeFile(`${folder}/manifest.json`, "{}");
            const train = { path: `${folder}/manifest.json`, dataType: "ManifestFile" } as const;
            await jobs.runTraining(open, { ...training(`${folder}/no-manifest`), channels: { train } });
          },
          JOBS_LINK_TAKEN: () => jobs.runTraining(open, { ...training(`${folder}/linked`), linkedAs: folder }),
        }),
        rounds: 20,
      },
      ...(await launched(open)),
    },
    elsewhere: {
      JOBS_CACHE_FULL: "packages/jobs/test/fetcher.test.ts",
      JOBS_FETCH_CORRUPT: "packages/jobs/test/fetcher.test.ts",
      JOBS_FETCH_CHANGED: "packages/jobs/test/fetcher.test.ts",
      JOBS_INTERRUPTED: "packages/jobs/test/interruption.test.ts",
      JOBS_CLUSTER_REFUSED: "packages/jobs/test/remote-http.test.ts",
      JOBS_CLUSTER_UNREACHABLE: "packages/jobs/test/remote-http.test.ts",
      JOBS_CHANNEL_BROKEN: "packages/jobs/test/input-modes.test.ts",
      JOBS_INPUT_MODE_UNSUPPORTED: "packages/jobs/test/input-modes.test.ts",
      JOBS_RECORD_CORRUPT: "packages/jobs/test/crash.test.ts",
      JOBS_WRITE_FAILED: "packages/jobs/test/full-disk.test.ts",
    },
    async [Symbol.asyncDispose]() {
      await remote[Symbol.asyncDispose]();
      await fetching[Symbol.asyncDispose]();
      await open[Symbol.asyncDispose]();
    },
  };
}
