import {
  createManualClock,
  createRandom,
  type ModelRuntime,
  type PredictOptions,
  type Tensors,
} from "@millwright/contracts";
import { expect, test } from "vitest";
import { type Stage, openModelServer } from "@millwright/serving";
import { quantile } from "./children.ts";
import { denseRuntime, expected, packFolder } from "./models.ts";

const one = { late: { variants: { main: { model: "late/1", weight: 1 } } } };

interface Behaviour {
  readonly lanes?: number | undefined;
  before(inputs: Tensors, options: PredictOptions | undefined): Promise<void> | void;
}

/** The dense runtime, whose model does something before it answers. */
function withBehaviour({ lanes, before }: Behaviour): ModelRuntime {
  const dense = denseRuntime();
  return {
    formats: dense.formats,
    async load(...options) {
      const loaded = await dense.load(...options);
      return {
        ...loaded,
        lanes,
        predict(inputs, call) {
          // Golden requests are nobody's.
          const wait = call?.requests === undefined ? undefined : before(inputs, call);
          return wait === undefined ? loaded.predict(inputs, call) : wait.then(() => loaded.predict(inputs, call));
        },
      };
    },
  };
}

const rowsOf = (inputs: Tensors): number => inputs["features"]?.shape[0] ?? 0;
const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test("SV-7: as many batches are under way as the model has lanes, and each row gets its own answer", async () => {
  await using folder = await packFolder(1);
  const random = createRandom(3);
  let running = 0;
  let most = 0;
  const sizes: number[] = [];
  const before = async (inputs: Tensors): Promise<void> => {
    running += 1;
    most = Math.max(most, running);
    sizes.push(rowsOf(inputs));
    await later(1 + random.integer(5));
    running -= 1;
  };
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [withBehaviour({ lanes: 3, before })],
    endpoints: { late: { ...one.late, maxBatchRows: 16 } },
  });
  const rows = Array.from({ length: 500 }, () => Array.from({ length: 4 }, () => Math.fround(random.normal())));
  const answers = await Promise.all(rows.map((row) => server.predict("late", { instances: [row] })));
  expect(most).toBe(3);
  expect(Math.max(...sizes)).toBe(16);
  for (const [at, { outputs }] of answers.entries())
    expect(outputs["probability"]?.data[0]).toBeCloseTo(expected(1, rows[at] ?? []), 5);
});

test("SV-7: one poisoned row among 256 fails alone, for the price of a few more calls", async () => {
  await using folder = await packFolder(1);
  let calls = 0;
  const before = (inputs: Tensors): void => {
    calls += 1;
    if (inputs["features"]?.data.includes(666 as never) === true) throw new TypeError("this row breaks the model");
  };
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [withBehaviour({ before })],
    endpoints: one,
  });
  const asked = await Promise.allSettled(
    Array.from({ length: 256 }, (_, at) => server.predict("late", { instances: [[at === 100 ? 666 : at, 1, 2, 3]] })),
  );
  expect(asked.flatMap(({ status }, at) => (status === "rejected" ? [at] : []))).toEqual([100]);
  expect(asked[100]).toMatchObject({ reason: { code: "SERVING_MODEL_FAILED" } });
  expect(calls).toBeLessThanOrEqual(1 + 2 * Math.log2(256));
});

/** 300 requests a second for half a second, to a model that takes 10 ms a call and 1 ms a row on a clock of its own. */
async function openLoad(
  maxBatchRows: number,
  latencyObjectiveMs: number | undefined,
): Promise<{ perSecond: number; p99Ms: number; largest: number }> {
  await using folder = await packFolder(1);
  const clock = createManualClock();
  let largest = 0;
  const before = (inputs: Tensors): Promise<void> => {
    largest = Math.max(largest, rowsOf(inputs));
    return clock.sleep(10 + rowsOf(inputs));
  };
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [withBehaviour({ before })],
    endpoints: { late: { ...one.late, maxBatchRows, latencyObjectiveMs } },
    clock,
    watch: false,
  });
  const latencies: number[] = [];
  let asked = 0;
  while (latencies.length < 150) {
    while (asked < 150 && asked <= clock.monotonicMs() * 0.3) {
      const startMs = clock.monotonicMs();
      asked += 1;
      void server
        .predict("late", { instances: [[1, 2, 3, 4]] })
        .then(() => latencies.push(clock.monotonicMs() - startMs));
    }
    await clock.advance(1);
  }
  return { perSecond: 150 / (clock.monotonicMs() / 1000), p99Ms: quantile(latencies, 0.99), largest };
}

test("SV-7: three times and more the throughput of single calls where calls cost, and answers within the objective", async () => {
  const single = await openLoad(1, undefined);
  const batched = await openLoad(256, 120);
  expect(batched.perSecond / single.perSecond).toBeGreaterThan(3);
  expect(single.p99Ms).toBeGreaterThan(1000);
  expect(batched.p99Ms).toBeLessThanOrEqual(120);
  // A third of the objective holds 30 rows: 10 + 30 ms.
  expect(batched.largest).toBeLessThanOrEqual(30);
});

test("SV-9: callers who hang up are gone before the model is called", async () => {
  await using folder = await packFolder(1);
  let rows = 0;
  const before = async (inputs: Tensors): Promise<void> => {
    rows += rowsOf(inputs);
    await later(20);
  };
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [withBehaviour({ before })],
    endpoints: { late: { ...one.late, maxBatchRows: 8 } },
  });
  const first = server.predict("late", { instances: [[1, 2, 3, 4]] });
  await later(5);
  const callers = Array.from({ length: 200 }, () => new AbortController());
  const asked = callers.map(({ signal }) => server.predict("late", { instances: [[1, 2, 3, 4]], signal }));
  for (const [at, caller] of callers.entries()) if (at % 2 === 0) caller.abort(new RangeError("hung up"));
  const settled = await Promise.allSettled(asked);
  await first;
  expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(100);
  for (const each of settled) if (each.status === "rejected") expect(each.reason).toMatchObject({ message: "hung up" });
  expect(rows).toBe(101);
});

test("SV-9: when nobody waits for a batch any more its model call is aborted; while one does it is not", async () => {
  await using folder = await packFolder(1);
  let aborted = 0;
  let begun = 0;
  let answer = (): void => {};
  const before = (_: Tensors, options: PredictOptions | undefined): Promise<void> =>
    new Promise((resolve, reject) => {
      begun += 1;
      answer = resolve;
      options?.signal?.addEventListener("abort", () => {
        aborted += 1;
        reject(options.signal?.reason as Error);
      });
    });
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [withBehaviour({ before })],
    endpoints: one,
  });
  const ask = (signal: AbortSignal): Promise<unknown> => server.predict("late", { instances: [[1, 2, 3, 4]], signal });
  const [left, stays] = [new AbortController(), new AbortController()];
  const some = Promise.allSettled([ask(left.signal), ask(stays.signal)]);
  await expect.poll(() => begun, { interval: 1 }).toBe(1);
  left.abort(new RangeError("hung up"));
  await later(20);
  expect(aborted).toBe(0);
  answer();
  const [gone, answered] = await some;
  expect(gone).toMatchObject({ status: "rejected", reason: { message: "hung up" } });
  expect(answered?.status).toBe("fulfilled");
  expect([begun, aborted]).toEqual([1, 0]);
  const all = [new AbortController(), new AbortController()];
  const both = Promise.allSettled(all.map(({ signal }) => ask(signal)));
  await expect.poll(() => begun, { interval: 1 }).toBe(2);
  for (const each of all) each.abort(new RangeError("hung up"));
  // Nothing else ends the call.
  expect((await both).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  await expect.poll(() => aborted, { interval: 1 }).toBe(1);
});

test("SV-36: injected delays land in their own part of the time, and the parts make up the whole", async () => {
  await using folder = await packFolder(1);
  const clock = createManualClock();
  const slow: Stage = {
    name: "slow",
    async request(call, next) {
      const answer = await next(call);
      await clock.sleep(7);
      return answer;
    },
  };
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [withBehaviour({ before: () => clock.sleep(30) })],
    endpoints: { late: { ...one.late, maxBatchRows: 1, admission: { concurrency: 2 }, stages: [slow] } },
    clock,
    watch: false,
  });
  const ask = async () => {
    const startMs = clock.monotonicMs();
    const { timings } = await server.predict("late", { instances: [[1, 2, 3, 4]] });
    return { timings, totalMs: clock.monotonicMs() - startMs };
  };
  const asked = Promise.all([ask(), ask(), ask()]);
  for (let ms = 0; ms < 200; ms += 1) await clock.advance(1);
  const [first, second, third] = await asked;
  expect(first?.timings).toMatchObject({ queueMs: 0, featuresMs: 0, preprocessMs: 0, batchWaitMs: 0 });
  const near = (value: number | undefined, wanted: number): void => {
    expect(Math.abs((value ?? Number.NaN) - wanted)).toBeLessThanOrEqual(1);
  };
  near(first?.timings?.modelMs, 30);
  near(first?.timings?.postprocessMs, 7);
  // The second waits for the batch before it, the third is let in when the first has left.
  near(second?.timings?.batchWaitMs, 30);
  near(second?.timings?.modelMs, 30);
  near(third?.timings?.queueMs, 37);
  near(third?.timings?.modelMs, 30);
  for (const each of [first, second, third]) {
    const parts = Object.values(each?.timings ?? {});
    expect(parts.reduce((sum, part) => sum + part, 0)).toBe(each?.totalMs);
  }
});
