import { createManualClock, isMillwrightError, type ModelRuntime } from "@millwright/contracts";
import { expect, test } from "vitest";
import { type EndpointOptions, openModelServer } from "@millwright/serving";
import { quantile } from "./children.ts";
import { denseRuntime, packFolder } from "./models.ts";

interface Outcome {
  readonly priority: string;
  readonly tenant: string;
  readonly code: string | undefined;
  readonly latencyMs: number;
  readonly endMs: number;
  readonly retryAfterMs: number | undefined;
}

interface Load {
  readonly perSecond: number;
  readonly seconds: number;
  readonly of?:
    | ((index: number) => { readonly priority?: string; readonly tenant?: string; readonly deadlineMs?: number })
    | undefined;
}

/** Loads an endpoint on a clock that stands still but for the steps of the load; calls of the model take `callMs` and `rowMs` for each row on it. */
async function simulate(
  endpoint: Omit<EndpointOptions, "variants">,
  { callMs, rowMs, lanes = 1 }: { readonly callMs: number; readonly rowMs: number; readonly lanes?: number },
  loads: readonly Load[],
): Promise<Outcome[][]> {
  await using folder = await packFolder(1);
  const clock = createManualClock();
  const dense = denseRuntime();
  let open = false;
  const runtime: ModelRuntime = {
    formats: dense.formats,
    async load(...options) {
      const loaded = await dense.load(...options);
      return {
        ...loaded,
        lanes,
        async predict(inputs) {
          if (open) await clock.sleep(callMs + rowMs * (inputs["features"]?.shape[0] ?? 0));
          return loaded.predict(inputs);
        },
      };
    },
  };
  const server = await openModelServer({
    source: folder.source,
    runtimes: [runtime],
    clock,
    watch: false,
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } }, ...endpoint } },
  });
  open = true;
  const results: Outcome[][] = [];
  for (const { perSecond, seconds, of = (): ReturnType<NonNullable<Load["of"]>> => ({}) } of loads) {
    const calls: Promise<Outcome>[] = [];
    for (let ms = 0; ms < seconds * 1000; ms += 1) {
      while (calls.length < ((ms + 1) / 1000) * perSecond) {
        const startMs = clock.monotonicMs();
        const { priority = "normal", tenant = "", deadlineMs } = of(calls.length);
        const ended = (error: unknown): Outcome => ({
          priority,
          tenant,
          code: isMillwrightError(error) ? error.code : error === undefined ? undefined : "none",
          latencyMs: clock.monotonicMs() - startMs,
          endMs: clock.monotonicMs(),
          retryAfterMs: error instanceof Error && "retryAfterMs" in error ? Number(error.retryAfterMs) : undefined,
        });
        const request = { instances: [[1, 2, 3, 4]], priority, tenant, deadlineMs };
        calls.push(server.predict("late", request).then(() => ended(undefined), ended));
      }
      await clock.advance(1);
    }
    let left = true;
    const all = Promise.all(calls).finally(() => (left = false));
    while (left) await clock.advance(1);
    results.push(await all);
  }
  await server.drain();
  return results;
}

const good = (outcomes: readonly Outcome[]): readonly Outcome[] => outcomes.filter(({ code }) => code === undefined);

/** Answers a second, by when they came, without the first tenth. */
function goodput(outcomes: readonly Outcome[]): number {
  const ends = good(outcomes).map(({ endMs }) => endMs);
  const skipped = Math.floor(ends.length / 10);
  return ((ends.length - 1 - skipped) / ((ends.at(-1) ?? 0) - (ends[skipped] ?? 0))) * 1000;
}

const p99 = (outcomes: readonly Outcome[]): number =>
  quantile(
    good(outcomes).map(({ latencyMs }) => latencyMs),
    0.99,
  );

const classes = ["high", "normal", "normal", "low", "low"];
const byClass = (index: number): { priority: string } => ({ priority: classes[index % 5] ?? "" });
const shareOf = (outcomes: readonly Outcome[], is: (outcome: Outcome) => boolean): number => {
  const own = outcomes.filter(is);
  return good(own).length / own.length;
};

test.each([
  ["calls cost, rows do not", { callMs: 40, rowMs: 0 }, 8, {}],
  ["rows cost most", { callMs: 2, rowMs: 5 }, 64, {}],
  ["two lanes", { callMs: 20, rowMs: 2, lanes: 2 }, 16, {}],
  ["a fixed limit", { callMs: 20, rowMs: 2 }, 16, { concurrency: 40 }],
])(
  "SV-8: ten times the load it can take, %s: as much is answered, in time, and the unimportant goes first",
  async (_, cost, maxBatchRows, admission) => {
    const latencyObjectiveMs = 300;
    const lanes = "lanes" in cost ? (cost.lanes as number) : 1;
    const capacity = ((maxBatchRows * lanes) / (cost.callMs + cost.rowMs * maxBatchRows)) * 1000;
    const endpoint = { maxBatchRows, latencyObjectiveMs, admission };
    const [, peak = [], over = []] = await simulate(endpoint, cost, [
      { perSecond: capacity * 1.2, seconds: 2, of: byClass },
      { perSecond: capacity * 1.2, seconds: 2, of: byClass },
      { perSecond: capacity * 10, seconds: 3, of: byClass },
    ]);
    expect(goodput(over)).toBeGreaterThanOrEqual(0.9 * goodput(peak));
    expect(p99(over)).toBeLessThanOrEqual(latencyObjectiveMs);
    // The high class alone asks for twice what there is.
    expect(shareOf(over, ({ priority }) => priority === "high")).toBeGreaterThan(0.4);
    expect(shareOf(over, ({ priority }) => priority === "normal")).toBeLessThan(0.05);
    const refused = over.filter(({ code }) => code !== undefined);
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(["SERVING_REQUEST_SHED"]));
    // By the queue's own speed: nobody waits much longer than the objective.
    for (const { retryAfterMs } of refused) expect(retryAfterMs).toBeLessThanOrEqual(1000);
  },
);

test("SV-8: without an objective the queue is bounded, and a gradient finds how many at once", async () => {
  const cost = { callMs: 20, rowMs: 2 };
  const [over = []] = await simulate({ maxBatchRows: 16, admission: { maxQueue: 50 } }, cost, [
    { perSecond: 3000, seconds: 3, of: byClass },
  ]);
  expect(goodput(over)).toBeGreaterThanOrEqual(0.9 * (16 / 52) * 1000);
  const codes = new Set(over.map(({ code }) => code));
  expect(codes).toEqual(new Set([undefined, "SERVING_OVERLOADED", "SERVING_REQUEST_SHED"]));
  expect(shareOf(over, ({ priority }) => priority === "low")).toBeLessThan(0.05);
});

test("SV-8: tenants get their shares, however much each asks for", async () => {
  const tenants = ["big", "big", "big", "big", "big", "big", "big", "small", "paying", "paying"];
  const admission = { concurrency: 4, maxQueue: 60, tenantWeights: { paying: 2 } };
  const [over = []] = await simulate({ maxBatchRows: 1, admission }, { callMs: 10, rowMs: 0 }, [
    { perSecond: 1000, seconds: 4, of: (index) => ({ tenant: tenants[index % tenants.length] ?? "" }) },
  ]);
  const answered = (name: string): number => good(over).filter(({ tenant }) => tenant === name).length;
  // 100 a second are answered: a quarter, a quarter and a half, though "big" asks seven times as often as "small".
  const all = good(over).length;
  expect(answered("small") / all).toBeCloseTo(0.25, 1);
  expect(answered("big") / all).toBeCloseTo(0.25, 1);
  expect(answered("paying") / all).toBeCloseTo(0.5, 1);
});

test("SV-9: what cannot be answered by its deadline is not begun, and what is late is told so", async () => {
  const cost = { callMs: 100, rowMs: 0 };
  const [slow = []] = await simulate({}, cost, [{ perSecond: 10, seconds: 1, of: () => ({ deadlineMs: 50 }) }]);
  expect(new Set(slow.map(({ code }) => code))).toEqual(new Set(["SERVING_DEADLINE_EXCEEDED"]));
  expect(Math.max(...slow.map(({ latencyMs }) => latencyMs))).toBe(50);
  const admission = { concurrency: 1 };
  const [, queued = []] = await simulate({ maxBatchRows: 1, admission }, cost, [
    { perSecond: 5, seconds: 2 },
    { perSecond: 100, seconds: 2, of: () => ({ deadlineMs: 450 }) },
  ]);
  expect(good(queued).length).toBeGreaterThanOrEqual(18);
  expect(Math.max(...good(queued).map(({ latencyMs }) => latencyMs))).toBeLessThanOrEqual(450);
  // Most are told at once, not when their time is over.
  const refused = queued.filter(({ code }) => code === "SERVING_REQUEST_SHED");
  expect(refused.length).toBeGreaterThan(150);
  expect(
    quantile(
      refused.map(({ latencyMs }) => latencyMs),
      0.9,
    ),
  ).toBe(0);
});

test("a signal that stands for many requests is left alone by those that waited and were let in", async () => {
  await using folder = await packFolder(1);
  const controller = new AbortController();
  const { signal } = controller;
  let ears = 0;
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  signal.addEventListener = (...given: Parameters<typeof add>) => {
    ears += 1;
    add(...given);
  };
  signal.removeEventListener = (...given: Parameters<typeof remove>) => {
    ears -= 1;
    remove(...given);
  };
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } }, admission: { concurrency: 1 } } },
  });
  await Promise.all(Array.from({ length: 20 }, () => server.predict("late", { instances: [[1, 2, 3, 4]], signal })));
  expect(ears).toBe(0);
});
