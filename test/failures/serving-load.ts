import { createManualClock, createRandom } from "../../packages/contracts/dist/index.js";
import * as load from "../../packages/serving/dist/load.js";
import { methods, type Subjects, well } from "./subjects.ts";

/** What is mistyped to last for ever ends with it. */
const soon = (): AbortSignal => AbortSignal.timeout(100);
const random = createRandom(1);
const target = () => Promise.resolve({});
const candidate = { name: "one", settings: { workers: 1 }, costPerHour: 1 };

/** Time that passes while somebody sleeps, so that a load of a minute takes none. */
function hastyClock() {
  const clock = createManualClock();
  return {
    ...clock,
    sleep: async (durationMs: number, options?: { readonly signal?: AbortSignal | undefined }) => {
      options?.signal?.throwIfAborted();
      await clock.advance(durationMs);
    },
  };
}

export const servingLoad = (): Subjects => ({
  constantArrivals: well(load.constantArrivals, () => [10]),
  poissonArrivals: well(load.poissonArrivals, () => [10]),
  burstyArrivals: well(load.burstyArrivals, () => [{ ratePerSecond: 1, burstPerSecond: 10, burstMs: 10, quietMs: 10 }]),
  rampArrivals: well(load.rampArrivals, () => [[{ durationMs: 10, from: 0, to: 10 }]]),
  traceArrivals: well(load.traceArrivals, () => [[1, 2, 3], 2]),
  ...methods("constantArrivals()", () => load.constantArrivals(10), { times: [() => [random]] }),
  httpTarget: well(load.httpTarget, () => [{ url: "http://127.0.0.1:1/" }], {}, 30),
  ...methods("httpTarget()", () => load.httpTarget({ url: "http://127.0.0.1:1/" }), {
    target: [() => [0, { signal: soon() }], {}, 0],
    close: [],
  }),
  createLatencyRecorder: well(load.createLatencyRecorder),
  ...methods("createLatencyRecorder()", () => load.createLatencyRecorder(), {
    add: [() => [1]],
    percentile: [() => [0.5]],
    summary: [],
    sketch: [],
  }),
  candidateGrid: well(load.candidateGrid, () => [{ workers: [1, 2] }, () => 1]),
  invocationsPerInstance: well(load.invocationsPerInstance, () => [10, 0.5]),
  runLoad: well(
    load.runLoad,
    () => [
      { target, arrivals: load.constantArrivals(10), durationMs: 1000, random, clock: hastyClock(), signal: soon() },
    ],
    {},
    20,
  ),
  runUsers: well(
    load.runUsers,
    () => [
      {
        target,
        phases: [{ initialUsers: 1, spawnPerMinute: 0, durationMs: 10 }],
        maxInvocations: 5,
        clock: hastyClock(),
        signal: soon(),
      },
    ],
    {},
    12,
  ),
  recommendEndpoint: well(
    load.recommendEndpoint,
    () => [
      {
        candidates: [candidate],
        open: async () => ({ target }),
        objective: { percentile: 0.99, ms: 10 },
        rates: { from: 1, to: 2 },
        probeMs: 1000,
        random,
        clock: hastyClock(),
        signal: soon(),
      },
    ],
    {},
    12,
  ),
});
