import type { DeploymentPlan } from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  createEventCounts,
  createLatencyRecorder,
  createRetryCounts,
  createSloCounts,
  deploymentAllowance,
  deploymentBudgetGate,
  type LatencyHistogram,
  measureSli,
  metricTemplates,
  type Observations,
  readBudget,
  readObjective,
  type Sli,
} from "../src/slo.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const start = Date.UTC(2026, 0, 1);

const histogramOf = (durations: readonly number[]): LatencyHistogram => {
  const recorder = createLatencyRecorder({ load: "open" });
  for (const each of durations) recorder.record(each);
  return recorder.histogram();
};

test("MO-40: the ten templates measure simulated traffic as one does by hand", () => {
  const templates = metricTemplates({ latencyMs: 120.1, costPerHour: 4 });
  expect(templates.map(({ id }) => id)).toEqual(["M1", "M2", "M3", "M4", "M5", "M6", "M7", "M8", "M9", "M10"]);
  // A thousand requests of 1 to 1000 tenths of 200 ms, each with one retry where it is a multiple of 100, which fails where it is 1000.
  const retries = createRetryCounts();
  for (let request = 1; request <= 1000; request += 1) {
    const fails = request % 100 === 0;
    retries.attempt({ key: `r${request}`, timeMs: start + request, ok: !fails });
    if (fails) retries.attempt({ key: `r${request}`, timeMs: start + request + 1, ok: request !== 1000 });
  }
  retries.settle(start + hour);
  const observed: { readonly [Id in (typeof templates)[number]["id"]]: Observations[keyof Observations] } = {
    M1: histogramOf(Array.from({ length: 1000 }, (_, at) => (at + 1) * 0.2)),
    M2: retries.totals().logical,
    M3: { right: 180, labelled: 200, answers: 1000 },
    M4: { good: 18, total: 20 },
    M5: histogramOf([hour, 2 * hour, 3 * hour, 5 * hour]),
    M6: [
      { cost: 9, units: 3 },
      { cost: 12, units: 2 },
      { cost: 4, units: 5 },
    ],
    M7: { good: 47, total: 50 },
    M8: histogramOf([5, 10, 20, 29, 45].map((minutes) => minutes * minute)),
    // One of ten models is down, and has 4 % of the traffic.
    M9: { good: 960, total: 1000 },
    M10: [10 * minute, 59 * minute, 61 * minute, null],
  };
  const read = Object.fromEntries(
    templates.map(({ id, sli }) => [
      id,
      measureSli(sli as Extract<Sli, { type: "ratio" }>, observed[id] as Observations["ratio"]),
    ]),
  );
  const expected: Readonly<Record<string, readonly [good: number, total: number, value: number, within: number]>> = {
    M1: [600, 1000, 198, 0.01],
    M2: [999, 1000, 0.999, 0],
    M3: [180, 200, 0.9, 0],
    M4: [18, 20, 0.9, 0],
    M5: [3, 4, 5 * hour, 0.01],
    M6: [8, 10, 2.5, 0],
    M7: [47, 50, 0.94, 0],
    M8: [4, 5, 45 * minute, 0.01],
    M9: [960, 1000, 0.96, 0],
    M10: [2, 4, Number.POSITIVE_INFINITY, 0],
  };
  for (const [id, [good, total, value, within]] of Object.entries(expected)) {
    const { value: measured, ...counted } = read[id]!;
    expect({ id, ...counted }).toEqual({ id, good, total, ratio: good / total });
    if (Number.isFinite(value)) expect(Math.abs(measured - value), id).toBeLessThanOrEqual(within * value);
    else expect(measured).toBe(value);
  }
  // What is measured goes into the counts of the objective that comes with it.
  const verdicts = templates.map((template) => {
    const slo = template.objectiveOf("late");
    const counts = createSloCounts(slo);
    const { good, total } = read[template.id]!;
    counts.add(start, good, total);
    return [
      slo.name,
      readBudget(slo, counts, start).left > 0,
      [...new Set(slo.profile.map(({ severity }) => severity))].join(" "),
    ];
  });
  expect(verdicts).toEqual([
    ["late-latency", false, "page"],
    ["late-errors", false, "page ticket"],
    ["late-accuracy", false, "ticket"],
    ["late-training-success", false, "page ticket"],
    ["late-training-duration", false, "ticket"],
    ["late-training-cost", false, "ticket"],
    ["late-drift", false, "ticket"],
    ["late-registry-latency", false, "ticket"],
    ["late-availability", false, "page ticket"],
    ["late-freshness", false, "ticket"],
  ]);
});

test("MO-40: coverage and throughput are measured too, and what is none is refused", () => {
  expect(measureSli({ type: "coverage" }, { covered: 45, total: 60 })).toEqual({
    good: 45,
    total: 60,
    ratio: 0.75,
    value: 0.75,
  });
  const slices = { sliceMs: 10_000, events: [100, 99, 120, 0] };
  expect(measureSli({ type: "throughput", minimumPerSecond: 10 }, slices)).toEqual({
    good: 2,
    total: 4,
    ratio: 0.5,
    value: 7.975,
  });
  expect(measureSli({ type: "ratio" }, { good: 0, total: 0 }).value).toBeNaN();
  expect(() => measureSli({ type: "ratio" }, { good: -1, total: 2 })).toThrow(RangeError);
  expect(() => measureSli({ type: "cost", maximumPerUnit: 1 }, [{ cost: 5, units: 0 }])).toThrow(
    expect.objectContaining({ code: "MONITOR_SAMPLE_EMPTY" }),
  );
});

test("MO-47: three retries and then success: no logical error, 75 % of the attempts, both in counts of their own", () => {
  const attempts = createEventCounts({ periodMs: day });
  const logical = createEventCounts({ periodMs: day });
  const retries = createRetryCounts({ attempts, logical, settleMs: minute });
  for (const [at, ok] of [false, false, false, true].entries())
    retries.attempt({ key: "order-1", timeMs: start + at * 1000, ok });
  retries.settle(start + hour);
  expect(retries.totals()).toEqual({
    attempts: { good: 1, total: 4 },
    logical: { good: 1, total: 1 },
    open: 0,
    attemptErrorRatio: 0.75,
    logicalErrorRatio: 0,
  });
  expect(attempts.totals(day, start + hour)).toEqual({ good: 1, total: 4 });
  expect(logical.totals(day, start + hour)).toEqual({ good: 1, total: 1 });
});

test("MO-47: a request counts once: given up, succeeded late, answered twice, forgotten for others", () => {
  const logical = createEventCounts({ periodMs: day });
  const retries = createRetryCounts({ logical, settleMs: minute, maxOpen: 3 });
  retries.attempt({ key: "a", timeMs: start, ok: false });
  expect(retries.totals()).toMatchObject({ open: 1, logical: { good: 0, total: 0 } });
  retries.settle(start + 59_000);
  expect(retries.totals().open).toBe(1);
  retries.settle(start + minute);
  expect(logical.totals(day, start + hour)).toEqual({ good: 0, total: 1 });
  // Its client comes back once more, and is served.
  retries.attempt({ key: "a", timeMs: start + minute + 1, ok: true });
  retries.attempt({ key: "a", timeMs: start + minute + 2, ok: true });
  retries.attempt({ key: "a", timeMs: start + minute + 3, ok: false });
  expect(logical.totals(day, start + hour)).toEqual({ good: 1, total: 1 });
  for (const key of ["b", "c", "d", "e"]) retries.attempt({ key, timeMs: start + 2 * minute, ok: false });
  // The fourth made the oldest of them settle.
  expect(retries.totals()).toMatchObject({ open: 3, logical: { good: 1, total: 2 } });
  retries.settle(start + hour);
  expect(retries.totals()).toMatchObject({ open: 0, logical: { good: 1, total: 5 }, attempts: { good: 2, total: 8 } });
});

test("MO-49: below 10 % of the budget releases are refused, rollbacks and security fixes are not", () => {
  const of = (left: number | undefined) => ({ left, objective: 0.999, periodMs: 30 * day });
  expect(deploymentAllowance(of(0.0999))).toEqual({
    allowed: false,
    canaryShare: 0,
    reason: "9.99 % of the error budget is left, and 10 % must be",
  });
  expect(deploymentAllowance(of(-2), "rollback")).toMatchObject({ allowed: true, canaryShare: 1 });
  expect(deploymentAllowance(of(undefined), "security").allowed).toBe(true);
  expect(deploymentAllowance(of(undefined)).allowed).toBe(false);
  expect(deploymentAllowance(of(Number.NaN)).allowed).toBe(false);
  expect(deploymentAllowance(of(0.1)).allowed).toBe(true);
});

test("MO-49: a canary is as large as what is left bears: one that fails wholly spends a tenth of it at most", () => {
  const share = (left: number, options: object = {}) =>
    deploymentAllowance({ left, objective: 0.999, periodMs: 30 * day }, "release", options).canaryShare;
  // 43.2 minutes of budget: half an hour at 5 % costs 1.5, a tenth of what is left is 4.32.
  expect(share(1)).toBe(0.05);
  expect(share(0.2)).toBeCloseTo((0.1 * 0.2 * 43.2) / 30, 12);
  for (const left of [0.1, 0.2, 0.5, 1]) {
    const detectionMinutes = 30;
    expect(share(left) * detectionMinutes).toBeLessThanOrEqual(0.1 * left * 43.2 + 1e-9);
  }
  expect(share(1, { detectionMs: 10 * day })).toBe(0);
});

test("MO-49: as a gate of a rollout it compares what the plan's first step asks for", async () => {
  let left: number | undefined = 1;
  const gate = deploymentBudgetGate({
    budget: () => ({ left, objective: 0.999, periodMs: 30 * day }),
    classOf: (_endpoint, { model }) => (model === "late/1" ? "rollback" : "release"),
  });
  const check = (traffic: DeploymentPlan["traffic"], model = "late/2") =>
    gate.check({ endpoint: "late", plan: { model, traffic } });
  expect(await check({ type: "canary", share: 0.05, bakeMs: 1 })).toMatchObject({ open: true });
  expect(await check({ type: "canary", share: 0.06, bakeMs: 1 })).toMatchObject({
    open: false,
    reason: expect.stringContaining("and not 6 % at once") as string,
  });
  expect(await check({ type: "linear", stepShare: 0.1, stepMs: 1 })).toMatchObject({ open: false });
  expect(await check({ type: "all-at-once" })).toMatchObject({ open: false });
  expect(await check({ type: "all-at-once" }, "late/1")).toMatchObject({ open: true });
  left = 0.05;
  expect(await check({ type: "canary", share: 0.01, bakeMs: 1 })).toMatchObject({
    open: false,
    evidence: { left: 0.05, change: "release", allowedShare: 0, askedShare: 0.01 },
  });
  await expect(
    gate.check(
      { endpoint: "late", plan: { model: "late/2", traffic: { type: "all-at-once" } } },
      { signal: AbortSignal.abort(new Error("gone")) },
    ),
  ).rejects.toThrow("gone");
});

test("a template's objective alerts like any other", () => {
  const m9 = metricTemplates()[8]!.objectiveOf("late", { minimumEvents: 0 });
  const counts = createSloCounts(m9);
  for (let at = 0; at < 10; at += 1) counts.add(start + at * minute, at < 5 ? 100 : 0, 100);
  expect(readObjective(m9, counts, start + 9 * minute).state).toBe("burning");
  expect(readObjective(m9, counts, start + 30 * minute).state).toBe("absent");
});
