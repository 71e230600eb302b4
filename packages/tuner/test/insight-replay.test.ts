import { createRandom } from "@millwright/contracts";
import {
  type Pruner,
  type Sampler,
  type Trial,
  ashaPruner,
  bestTrial,
  categorical,
  float,
  hyperbandPruner,
  int,
  medianPruner,
  openStudy,
  patientPruner,
  percentilePruner,
  randomSampler,
  rayAshaPruner,
  rayMedianPruner,
  sageMakerMedianPruner,
  successiveHalvingPruner,
  thresholdPruner,
  tpeSampler,
  wilcoxonPruner,
} from "@millwright/tuner";
import {
  type StudyHistory,
  explainTrial,
  historyOf,
  replayStudy,
  simulatePruner,
  simulateSampler,
} from "@millwright/tuner/insight";
import { describe, expect, test } from "vitest";

const space = { rate: float(1e-4, 1, { log: true }), units: int(1, 64), kind: categorical(["a", "b"]) };
const steps = 9;

interface Recording {
  readonly sampler?: Sampler;
  readonly pruner?: Pruner | false;
  readonly parallelism?: number;
  readonly trials?: number;
}

/** Learning curves with noise; several at a time, so that reports of different trials come in between each other. */
async function record({ sampler = randomSampler(), pruner = false, parallelism = 3, trials = 30 }: Recording) {
  await using study = await openStudy({ name: "recorded", space, direction: "minimize", seed: 6, sampler, pruner });
  await study.optimize(
    async ({ number, params, checkpoint, report }) => {
      const level = (Math.log10(params.rate) + 2) ** 2 + params.units / 64 + (params.kind === "a" ? 0 : 0.3);
      let value = 0;
      for (let step = Number(checkpoint ?? 0) + 1; step <= steps; step += 1) {
        const random = createRandom(2).fork(`${number}/${step}`);
        value = level + 2 / step + 0.3 * random.next();
        if (random.next() < 0.01) value = Number.NaN;
        await new Promise((resolve) => setImmediate(resolve));
        if ((await report(step, value, { checkpoint: String(step) })) !== "continue") return level;
      }
      return level;
    },
    { trials, parallelism },
  );
  return { ...study, history: await study.history(), trials: await study.trials() };
}

const bestOf = (trials: readonly Trial[]): Trial => bestTrial(trials, "minimize")!;

const pruners: readonly Pruner[] = [
  medianPruner({ startupTrials: 2 }),
  percentilePruner(25, { warmupSteps: 2, intervalSteps: 2 }),
  thresholdPruner({ upper: 4 }),
  patientPruner(medianPruner(), { patience: 1 }),
  wilcoxonPruner(),
  successiveHalvingPruner({ reductionFactor: 2 }),
  hyperbandPruner({ maximumResource: steps }),
  sageMakerMedianPruner(),
  rayMedianPruner(),
  rayAshaPruner({ maximumResource: 20, reductionFactor: 3 }),
  ashaPruner({ maximumResource: steps, brackets: 2 }),
];

describe.each(pruners)("$name", (pruner) => {
  test("HT-24: every verdict of a random study is derived again from its journal, with its numbers", async () => {
    const recorded = await record({ pruner });
    const stopped = recorded.trials.filter(({ state }) => state === "pruned" || state === "paused");
    expect(stopped.length).toBeGreaterThan(0);
    expect(stopped.every(({ verdict }) => typeof verdict?.["rule"] === "string")).toBe(true);
    const replay = replayStudy(recorded, { pruner });
    expect(replay.verdicts.length).toBe(
      recorded.trials.reduce((sum, { intermediates }) => sum + intermediates.length, 0),
    );
    for (const trial of stopped) {
      const last = replay.verdicts.findLast((verdict) => verdict.trial === trial.number);
      expect(last?.verdict).toMatchObject({ reason: trial.reason, explanation: trial.verdict });
    }
    expect(replay.same).toBe(true);
    // It is the rule that is checked: another one does not say the same.
    expect(replayStudy(recorded, { pruner: thresholdPruner({ upper: 0 }) }).same).toBe(false);
  });
});

test("HT-24: a trial's explanation names its sampler, what that computed, the nearest trials and why it was stopped", async () => {
  const recorded = await record({ sampler: tpeSampler(), pruner: medianPruner({ startupTrials: 2 }) });
  const pruned = recorded.trials.findLast(({ state }) => state === "pruned")!;
  const explained = explainTrial(recorded, pruned.number);
  expect(explained.suggestion).toMatchObject({ sampler: "tpe", logRatio: expect.any(Number) });
  expect(explained.verdict).toMatchObject({ rule: "percentile", bound: expect.any(Number), peers: expect.any(Number) });
  expect(explained.reason).toContain("the 50th percentile");
  expect(explained.nearest).toHaveLength(3);
  expect(explained.nearest.map(({ distance }) => distance)).toEqual(
    explained.nearest.map(({ distance }) => distance).toSorted((a, b) => a - b),
  );
  expect(explained.nearest.every(({ trial }) => trial < pruned.number)).toBe(true);
  expect(JSON.parse(JSON.stringify(explained))).toEqual(explained);
  expect(() => explainTrial(recorded, 99)).toThrow(RangeError);
});

test("HT-26: the original policy makes every decision of a recorded study again; another one differs", async () => {
  const sampler = tpeSampler({ startupTrials: 5 });
  const pruner = hyperbandPruner({ maximumResource: steps });
  const recorded = await record({ sampler, pruner, parallelism: 4 });
  const replay = replayStudy(recorded, { sampler, pruner });
  expect(replay.suggestions).toHaveLength(30);
  expect(replay.verdicts.some(({ verdict }) => verdict.prune)).toBe(true);
  expect(replay.same).toBe(true);
  const other = replayStudy(recorded, { sampler: tpeSampler({ startupTrials: 15 }) });
  expect(other.suggestions.slice(0, 5).every(({ same }) => same)).toBe(true);
  expect(other.same).toBe(false);
});

test("HT-26: enqueued and interrupted trials do not disturb a replay", async () => {
  const sampler = tpeSampler({ startupTrials: 2 });
  const options = { name: "broken", space, direction: "minimize", sampler, pruner: false } as const;
  await using study = await openStudy(options);
  await study.enqueue({ rate: 0.1, units: 3, kind: "a" });
  const broken = new AbortController();
  const first = study.optimize(
    ({ number, params }) => {
      if (number === 4) broken.abort(new Error("enough"));
      return params.rate;
    },
    { trials: 9, signal: broken.signal },
  );
  await expect(first).rejects.toThrow("enough");
  await study.optimize(({ params }) => params.rate, { trials: 9 });
  const replay = replayStudy({ ...study, history: await study.history() }, { sampler });
  expect(replay.suggestions).toHaveLength(8);
  expect(replay.same).toBe(true);
});

test("HT-26: a pruner is tried on recorded curves: it stops what it would have stopped, saves steps, and may lose the best", async () => {
  const recorded = await record({ trials: 24 });
  const all = 24 * steps;
  const none = simulatePruner(recorded, thresholdPruner({ upper: 1e9, lower: -1e9 }));
  expect(none.stopped.every(({ explanation }) => Number.isNaN(explanation["value"] as number))).toBe(true);
  const median = simulatePruner(recorded, medianPruner());
  expect(median.stepsRecorded).toBe(all);
  expect(median.stopped.length).toBeGreaterThan(3);
  expect(median.stepsUsed).toBe(all - median.stopped.reduce((sum, { step }) => sum + steps - step, 0));
  expect(median.saved).toBeCloseTo(1 - median.stepsUsed / all, 12);
  expect(median.regret).toBeGreaterThanOrEqual(0);
  // What it would have done is what it does when it is there from the start, one trial at a time.
  const alone = await record({ trials: 24, parallelism: 1 });
  const live = await record({ trials: 24, parallelism: 1, pruner: ashaPruner({ maximumResource: steps }) });
  const simulated = simulatePruner(alone, ashaPruner({ maximumResource: steps }));
  expect(simulated.saved).toBeGreaterThan(0.4);
  expect(simulated.stopped).toEqual(
    live.trials
      .filter(({ state }) => state === "paused")
      .map(({ number: trial, state, reason, verdict: explanation, intermediates }) => {
        return { trial, step: intermediates.at(-1)?.[0], state, reason, explanation };
      }),
  );
  expect(simulated.best).toBe(bestOf(live.trials).number);
  const everything = simulatePruner(recorded, thresholdPruner({ upper: -1e9 }));
  expect(everything).toMatchObject({ best: undefined, regret: undefined, stepsUsed: 24 });
});

test("HT-26: a sampler is tried on a lookup table: exact where the record covers the space", async () => {
  const grid = { a: int(0, 6), b: categorical(["x", "y", "z"]) };
  const valueOf = (a: number, b: string): number => (a - 4) ** 2 + (b === "y" ? 0 : 5);
  const trials = Array.from({ length: 21 }, (_, number) => {
    const params = { a: number % 7, b: ["x", "y", "z"][Math.floor(number / 7)]! };
    const value = valueOf(params.a, params.b);
    const explanation = { sampler: "grid" };
    return {
      number,
      state: "completed",
      params,
      explanation,
      value,
      values: [value],
      intermediates: [],
      attempts: 1,
    } as const;
  });
  const table: StudyHistory = historyOf("table", { space: grid, directions: ["minimize"] }, trials);
  const steps = simulateSampler(table, tpeSampler({ startupTrials: 5 }), { trials: 20, seed: 3 });
  expect(steps).toHaveLength(20);
  for (const { suggested, value, distance } of steps)
    expect([value, distance]).toEqual([valueOf(suggested["a"] as number, suggested["b"] as string), 0]);
  expect(steps.at(-1)?.regret).toBe(0);
  expect(steps.map(({ regret }) => regret)).toEqual(steps.map(({ regret }) => regret).toSorted((a, b) => b - a));
  // The same as a live study on the table.
  await using study = await openStudy({
    name: "live",
    space: grid,
    direction: "minimize",
    seed: 3,
    sampler: tpeSampler({ startupTrials: 5 }),
  });
  await study.optimize(({ params }) => valueOf(params.a, params.b), { trials: 20 });
  expect((await study.trials()).map(({ params }) => params)).toEqual(steps.map(({ suggested }) => suggested));
});

test("a history that does not begin at its beginning, or has nothing to look up, is refused", async () => {
  const recorded = await record({ trials: 2 });
  const torn = { ...recorded, history: recorded.history.slice(1) };
  expect(() => replayStudy(torn, { pruner: medianPruner() })).toThrow("A history begins with the entry of its study");
  const empty = historyOf("empty", { space, directions: ["minimize"] }, []);
  expect(() => simulateSampler(empty, randomSampler())).toThrow("Nothing can be looked up");
  expect(simulatePruner(empty, medianPruner())).toMatchObject({ stepsRecorded: 0, saved: 0, stopped: [] });
});
