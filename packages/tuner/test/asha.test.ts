import { createRandom } from "@millwright/contracts";
import { type Trial, ashaPruner, float, openStudy, randomSampler } from "@millwright/tuner";
import { expect, test } from "vitest";

const space = { x: float(0, 1) };

/** Trains from the checkpoint to the end, or to where it is told to pause; the value at a step depends on parameter and step alone. */
const trainer = (trained: string[], valueAt: (x: number, step: number) => number, steps = 27) =>
  async function train({
    number,
    params,
    checkpoint,
    report,
  }: {
    number: number;
    params: { x: number };
    checkpoint?: string | undefined;
    report: (step: number, value: number, options: { checkpoint: string }) => Promise<string>;
  }): Promise<number> {
    for (let step = Number(checkpoint ?? 0) + 1; step <= steps; step += 1) {
      trained.push(`${number}@${step}`);
      if ((await report(step, valueAt(params.x, step), { checkpoint: String(step) })) !== "continue") return Number.NaN;
    }
    return valueAt(params.x, steps);
  };

/**
 * Algorithm 2 of Li et al. (2020) by its letter, one job at a time, written independently of the pruner: each job trains a configuration from its rung to
 * the next and then the next job is asked for.
 * @returns `trial>rung` for each job in turn: rung 0 is a new trial.
 */
function paperSchedule(losses: readonly number[], eta: number, rungs: number): readonly string[] {
  const results: Map<number, number>[] = Array.from({ length: rungs + 1 }, () => new Map());
  const jobs: string[] = [];
  let next = 0;
  for (;;) {
    let job: readonly [number, number] | undefined;
    for (let rung = rungs - 1; rung >= 0 && job === undefined; rung -= 1) {
      const here = [...results[rung]!].sort(([, a], [, b]) => a - b);
      const best = here.slice(0, Math.floor(here.length / eta)).map(([trial]) => trial);
      const promotable = best.find((trial) => !results[rung + 1]!.has(trial));
      if (promotable !== undefined) job = [promotable, rung + 1];
    }
    if (job === undefined && next < losses.length) job = [next++, 0];
    if (job === undefined) return jobs;
    const [trial, rung] = job;
    results[rung]!.set(trial, losses[trial]!);
    jobs.push(`${trial}>${rung}`);
  }
}

/** Which rung each call or continuation trained to, from the steps trained. */
function jobsOf(trained: readonly string[], eta: number): readonly string[] {
  return trained.flatMap((entry) => {
    const [trial, step] = entry.split("@").map(Number) as [number, number];
    const rung = Math.round(Math.log(step) / Math.log(eta));
    return eta ** rung === step ? [`${trial}>${rung}`] : [];
  });
}

const rungCounts = (jobs: readonly string[]): readonly number[] =>
  [0, 1, 2, 3].map((rung) => jobs.filter((job) => job.endsWith(`>${rung}`)).length);

for (const seed of [1, 2, 3, 4, 5])
  test(`HT-6: 27 trials with η = 3 are promoted as Algorithm 2 of the paper says, and train each step once (order ${seed})`, async () => {
    const trained: string[] = [];
    await using study = await openStudy({
      name: `asha-${seed}`,
      space,
      direction: "minimize",
      seed,
      sampler: randomSampler(),
      pruner: ashaPruner({ maximumResource: 27 }),
    });
    const summary = await study.optimize(
      trainer(trained, (x) => x),
      { trials: 27 },
    );
    const trials = await study.trials();
    const schedule = paperSchedule(
      trials.map(({ params }) => params["x"] as number),
      3,
      3,
    );
    expect(jobsOf(trained, 3)).toEqual(schedule);
    expect(new Set(trained).size).toBe(trained.length);
    expect(summary.completed).toBe(rungCounts(schedule)[3]);
    expect(trials.filter(({ state }) => state === "paused")).toHaveLength(27 - summary.completed);
  });

test("HT-6: where the earlier of two trials is always better, 27 trials fill the rungs with 27, 9, 3 and 1 of the paper", async () => {
  const trained: string[] = [];
  await using study = await openStudy({
    name: "rising",
    space,
    direction: "minimize",
    sampler: randomSampler(),
    pruner: ashaPruner({ maximumResource: 27 }),
  });
  for (let number = 0; number < 27; number += 1) await study.enqueue({ x: number / 27 });
  await study.optimize(
    trainer(trained, (x) => x),
    { trials: 27 },
  );
  const counts = rungCounts(jobsOf(trained, 3));
  expect(counts[0]).toBe(27);
  expect(counts).toEqual([27, 9, 3, 1]);
  expect(trained).toHaveLength(27 + 9 * 2 + 3 * 6 + 18);
});

test("HT-6: several trials at a time lose no promotion and train each step once", async () => {
  const trained: string[] = [];
  const random = createRandom(9);
  await using study = await openStudy({
    name: "parallel",
    space,
    direction: "maximize",
    sampler: randomSampler(),
    pruner: ashaPruner({ maximumResource: 27 }),
  });
  const train = trainer(trained, (x, step) => x - 1 / step);
  await study.optimize(
    async (trial) => {
      await new Promise((resolve) => setTimeout(resolve, 3 * random.next()));
      return train(trial);
    },
    { trials: 27, parallelism: 4 },
  );
  expect(new Set(trained).size).toBe(trained.length);
  const trials = await study.trials();
  // Nothing is left that the rule would promote.
  expect(ashaPruner({ maximumResource: 27 }).promote?.({ direction: "maximize", trials })).toBeUndefined();
  expect(rungCounts(jobsOf(trained, 3))[1]).toBeGreaterThanOrEqual(9);
});

test("paused trials go on when the limit is raised; ask and tell pause and resume too", async () => {
  await using study = await openStudy({
    name: "by-hand",
    space,
    direction: "minimize",
    sampler: randomSampler(),
    pruner: ashaPruner({ maximumResource: 4, reductionFactor: 2 }),
  });
  const first = await study.ask();
  expect(await first.report(1, 1, { checkpoint: "first" })).toBe("pause");
  await study.tell(first.number, { state: "paused", reason: "at the rung" });
  const second = await study.ask();
  expect(second.number).toBe(1);
  expect(await second.report(1, 2, { checkpoint: "second" })).toBe("pause");
  await study.tell(second.number, { state: "paused", reason: "at the rung" });
  const again = await study.ask();
  expect([again.number, again.checkpoint]).toEqual([0, "first"]);
  expect((await study.trials())[1]).toMatchObject({
    state: "paused",
    verdict: { rule: "asha", rung: 0, rank: 2, passing: 1, peers: 2 },
  });
  // In between rungs nothing pauses; an objective that goes on past a rung is not stopped.
  expect(await again.report(2, 0.5, { checkpoint: "later" })).toBe("pause");
  expect(await again.report(3, 0.4)).toBe("continue");
  expect(await again.report(4, 0.3)).toBe("continue");
  await study.tell(0, { state: "completed", value: 0.3 });
  expect((await study.best()).number).toBe(0);
});

test("a study too small to promote any trial still trains its best one to the end", async () => {
  const trained: string[] = [];
  await using study = await openStudy({
    name: "small",
    space,
    direction: "minimize",
    pruner: ashaPruner({ maximumResource: 27 }),
  });
  await study.optimize(
    trainer(trained, (x) => x),
    { trials: 4 },
  );
  const best = await study.best();
  expect(best.value).toBe(Math.min(...(await study.trials()).map(({ params }) => params["x"] as number)));
  expect(new Set(trained).size).toBe(trained.length);
});

test("several brackets begin at different rungs, and NaN is never promoted", async () => {
  const trained: string[] = [];
  await using study = await openStudy({
    name: "brackets",
    space,
    direction: "minimize",
    seed: 4,
    sampler: randomSampler(),
    pruner: ashaPruner({ maximumResource: 27, brackets: 3 }),
  });
  await study.optimize(
    trainer(trained, (x) => (x < 0.2 ? Number.NaN : x)),
    { trials: 30 },
  );
  const trials = await study.trials();
  const pausedAt = (trial: Trial) => trial.intermediates.at(-1)?.[0];
  expect(new Set(trials.filter(({ state }) => state === "paused").map(pausedAt))).toEqual(new Set([1, 3, 9]));
  const bad = trials.filter(({ params }) => (params["x"] as number) < 0.2);
  expect(bad.length).toBeGreaterThan(0);
  expect(bad.every(({ intermediates }) => [1, 3, 9].includes(intermediates.length))).toBe(true);
});
