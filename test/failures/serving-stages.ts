import { createIdSource, createManualClock, silentLogger, silentMeter } from "../../packages/contracts/dist/index.js";
import * as serving from "../../packages/serving/dist/index.js";
import { methods, type Subjects, well } from "./subjects.ts";

const clock = createManualClock();
const answer: serving.Prediction = {
  outputs: { probability: { dtype: "float32", shape: [1, 1], data: Float32Array.of(0.5) } },
  provenance: {
    requestId: "r",
    endpoint: "late",
    variant: "main",
    model: { name: "late", version: 1, digest: "sha256:0" as never },
  },
};
const call = {
  endpoint: "late",
  requestId: "r",
  request: { instances: [[1, 2]] },
  startMs: 0,
  timings: {} as serving.Timings,
};

/** An endpoint whose models all answer the same. */
export const site: serving.StageSite = {
  endpoint: "late",
  clock,
  ids: createIdSource(clock),
  logger: silentLogger,
  meter: silentMeter,
  openModel: () =>
    Promise.resolve({
      model: answer.provenance.model,
      predict: () => Promise.resolve(answer),
      close: () => Promise.resolve(),
    }),
  capture: () => {},
};

async function opened(): Promise<serving.Shadow> {
  const stage = serving.shadow({ model: "late/2" });
  await stage.open?.(site);
  return stage;
}

async function openedFallback(): Promise<serving.Fallback> {
  const stage = serving.fallback({ to: [{ row: answer.outputs }] });
  await stage.open?.(site);
  return stage;
}

async function openedGraph(): Promise<serving.Stage> {
  const stage = serving.inferenceGraph({ nodes: { one: { endpoint: true } }, output: "one" });
  await stage.open?.(site);
  return stage;
}

export const servingStages = (): Subjects => ({
  inferenceGraph: well(serving.inferenceGraph, () => [{ nodes: { one: { model: "late/1" } }, output: "one" }]),
  inferencePipeline: well(serving.inferencePipeline, () => [[{ model: "late/1" }, { model: "late/2" }]]),
  ...methods("inferenceGraph()", openedGraph, {
    open: [() => [site], {}, 0],
    request: [() => [call, () => Promise.resolve(answer)], {}, 0],
    close: [],
  }),
  fallback: well(serving.fallback, () => [
    { to: [{ row: answer.outputs }], timeoutMs: 100, breaker: { minRequests: 2 } },
  ]),
  ...methods("fallback()", openedFallback, {
    targets: [],
    open: [() => [site], {}, 0],
    request: [() => [call, () => Promise.resolve(answer)], {}, 0],
    close: [],
  }),
  shadow: well(serving.shadow, () => [
    { model: "late/2", name: "second", share: 0.5, maxInFlight: 10, timeoutMs: 100, tolerance: 0.1 },
  ]),
  ...methods("shadow()", opened, {
    report: [() => [{ confidence: 0.9, minRequests: 10 }]],
    settled: [() => [{ signal: new AbortController().signal }]],
    open: [() => [site], {}, 0],
    request: [() => [call, () => Promise.resolve(answer)], {}, 0],
    close: [],
  }),
});
