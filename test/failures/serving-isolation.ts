import { pathToFileURL } from "node:url";
import { writeFileSync } from "node:fs";
import { parseModelManifest } from "../../packages/contracts/dist/index.js";
import * as isolated from "../../packages/serving/dist/isolation.js";
import { type FailureTable, methods, well } from "./subjects.ts";

/** A runtime that loads whatever it is given, as a module of workers. */
const echo = `export default {
  formats: ["echo"],
  load: async () => ({ memoryBytes: 0, predict: (inputs) => inputs, dispose: async () => {} }),
};
`;

const manifest = parseModelManifest({
  formatVersion: 1,
  name: "late",
  format: "echo",
  files: [],
  signature: { inputs: [], outputs: [] },
  golden: [],
  provenance: { datasets: {}, environment: {}, hyperparameters: {}, metrics: {}, createdTimeMs: 0 },
});

export function isolation(folder: string): FailureTable {
  const path = `${folder}/echo-runtime.mjs`;
  writeFileSync(path, echo);
  const options = { formats: ["echo"], module: pathToFileURL(path).href, kind: "thread" as const, waitMs: 1_000 };
  const runtime = isolated.isolatedRuntime(options);
  const loader = { formats: ["echo"], load: () => Promise.resolve({ memoryBytes: 0 }) } as never;
  const optional = isolated.optionalRuntime(["echo"], () => loader);
  const absent = isolated.optionalRuntime(["echo"], () => Promise.reject(new TypeError("no library")));
  const governor = isolated.createMemoryGovernor({ limitBytes: 100, usedBytes: () => 10 });
  const heavy = { ...manifest, files: [{ path: "w", sizeBytes: 1_000, digest: "sha256:00" }] } as never;
  const small = { title: "late", manifest, first: false };
  const monitor = isolated.openLoopDelayMonitor({ windowMs: 60_000 });
  const scaling = { max: 4, policies: [{ kind: "target" as const, metric: "queuePerInstance", target: 2 }] };
  const sample = { timeMs: 1_000, metrics: { queuePerInstance: 4 } };
  const load = [
    { timeMs: 0, ratePerSecond: 5 },
    { timeMs: 60_000, ratePerSecond: 0 },
  ];
  const scaler = isolated.openAutoscaler(runtime, 1, { ...scaling, everyMs: 600_000 });
  const serverless = isolated.createServerless({ idleMs: 600_000 });
  const gone = isolated.isolatedRuntime(options);
  const closed = gone[Symbol.asyncDispose]();
  return {
    subjects: {
      isolatedRuntime: well(
        isolated.isolatedRuntime,
        () => [{ ...options, workers: 1, hangMs: 1_000, recycle: { afterLoads: 5 }, backoffMs: { first: 1, most: 2 } }],
        { TypeError: () => isolated.isolatedRuntime({ formats: ["echo"] }) },
        60,
      ),
      ...methods("isolatedRuntime()", () => runtime, {
        load: [
          () => ["/nowhere", manifest, { signal: new AbortController().signal }],
          {
            PORT_CLOSED: async () => {
              await closed;
              await gone.load("/nowhere", manifest);
            },
            SERVING_WORKER_START_FAILED: () => runtime.load("/nowhere", { ...manifest, format: "other" }),
          },
          12,
        ],
        workers: [],
        scale: [() => [1, { signal: new AbortController().signal }], { RangeError: () => runtime.scale(0) }, 20],
        quarantined: [],
        traffic: [],
      }),
      optionalRuntime: well(isolated.optionalRuntime, () => [["echo"], () => loader], {
        TypeError: () => isolated.optionalRuntime([], () => loader),
      }),
      ...methods("optionalRuntime()", () => optional, {
        load: [
          () => ["/nowhere", manifest, { signal: new AbortController().signal }],
          { SERVING_RUNTIME_ABSENT: () => absent.load("/nowhere", manifest) },
        ],
        availability: [() => [{ signal: new AbortController().signal }]],
      }),
      createMemoryGovernor: well(
        isolated.createMemoryGovernor,
        () => [{ limitBytes: 1_000, share: 0.5, factor: 2, usedBytes: () => 1 }],
        { RangeError: () => isolated.createMemoryGovernor({ share: 2 }) },
      ),
      ...methods("createMemoryGovernor()", () => governor, {
        guard: [() => [loader]],
        load: [
          () => [small, () => Promise.resolve({ memoryBytes: 1 }), { signal: new AbortController().signal }],
          {
            SERVING_MEMORY_EXHAUSTED: () =>
              governor.load({ ...small, manifest: heavy }, () => Promise.resolve({ memoryBytes: 1 })),
          },
        ],
        loads: [],
        firstLoadSpikeBytes: [],
        usage: [],
        // Called by the runtime that it is given to.
        attach: [() => [() => []], {}, 0],
        detach: [() => [() => []], {}, 0],
      }),
      openLoopDelayMonitor: well(
        isolated.openLoopDelayMonitor,
        () => [{ limitMs: 20, windowMs: 1_000, windows: 2, subject: "process/event-loop" }],
        { RangeError: () => isolated.openLoopDelayMonitor({ windowMs: 0 }) },
      ),
      ...methods("openLoopDelayMonitor()", () => monitor, {
        delay: [],
        alerts: [() => ["process", { signal: new AbortController().signal }]],
        changes: [() => ["process", { signal: AbortSignal.abort() }], {}, 10],
      }),
      startScaling: well(isolated.startScaling, () => [1]),
      decideScaling: well(
        isolated.decideScaling,
        () => [{ ...scaling, min: 1, stabilisation: { inMs: 10 } }, isolated.startScaling(1), sample],
        { RangeError: () => isolated.decideScaling({ ...scaling, max: 0 }, isolated.startScaling(1), sample) },
      ),
      simulateScaling: well(isolated.simulateScaling, () => [scaling, load, { workerRatePerSecond: 10 }], {
        RangeError: () => isolated.simulateScaling(scaling, [], { workerRatePerSecond: 10 }),
      }),
      openAutoscaler: well(
        isolated.openAutoscaler,
        () => [runtime, 1, { ...scaling, everyMs: 600_000 }],
        { RangeError: () => isolated.openAutoscaler(runtime, 0, scaling) },
        40,
      ),
      ...methods("openAutoscaler()", () => scaler, { last: [], state: [] }),
      createServerless: well(
        isolated.createServerless,
        () => [{ memorySizeMb: 1_024, maxConcurrency: 2, idleMs: 10 }],
        {
          RangeError: () => isolated.createServerless({ memorySizeMb: 1_000 }),
        },
      ),
      ...methods("createServerless()", () => serverless, {
        runtime: [() => [loader]],
        stage: [],
        loaded: [],
      }),
      pythonCommand: well(isolated.pythonCommand, () => ["/models/worker.py", { python: "python3", args: ["x"] }]),
    },
    elsewhere: {
      SERVING_CONCURRENCY_EXCEEDED: "packages/serving/test/serverless.test.ts",
      SERVING_REQUEST_QUARANTINED: "packages/serving/test/isolation.test.ts",
      SERVING_WORKER_LOST: "packages/serving/test/isolation.test.ts",
    },
    async [Symbol.asyncDispose]() {
      await monitor[Symbol.asyncDispose]();
      await scaler[Symbol.asyncDispose]();
      await runtime[Symbol.asyncDispose]();
    },
  };
}
