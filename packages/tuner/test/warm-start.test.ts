import { type Random, createRandom } from "@millwright/contracts";
import {
  type Params,
  type PriorStudy,
  type Sampler,
  type Trial,
  type WarmStartParent,
  categorical,
  float,
  int,
  openStudy,
  priorOfParents,
  tpeSampler,
  transferSampler,
  warmStartParent,
} from "@millwright/tuner";
import { expect, test } from "vitest";

const space = {
  rate: float(1e-4, 1, { log: true }),
  units: int(1, 128),
  x: float(0, 1),
  kind: categorical(["a", "b", "c", "d"]),
};

interface Task {
  readonly best: readonly number[];
  readonly scale: number;
}

const around = (random: Random, centre: readonly number[], width: number): number[] =>
  centre.map((at) => Math.min(1, Math.max(0, at + width * random.normal())));

/** A bowl whose values have a unit of their own. */
const lossOf = ({ best, scale }: Task, { rate, units, x, kind }: Params): number => {
  const at = [Math.log10(rate as number) / 4 + 1, (units as number) / 128, x as number];
  const away = at.reduce((sum, value, index) => sum + (value - (best[index] as number)) ** 2, 0);
  return scale * (1 + away + (kind === "c" ? 0 : 0.1));
};

function search(
  sampler: Sampler,
  task: Task,
  seed: number,
  { trials: most, target }: { readonly trials: number; readonly target: number },
): readonly Trial[] {
  const trials: Trial[] = [];
  while (trials.length < most) {
    const number = trials.length;
    const { params, explanation } = sampler.suggest(
      space,
      { direction: "minimize", trials },
      createRandom(seed).fork(`trial/${number}`),
    );
    const value = lossOf(task, params);
    trials.push({
      number,
      state: "completed",
      params,
      explanation,
      value,
      values: [value],
      intermediates: [],
      attempts: 1,
    });
    if (value <= target * task.scale) break;
  }
  return trials;
}

test(
  "HT-14: a study that begins from others reaches its target in fewer trials, over 30 seeds, though their values have other units",
  { timeout: 600_000 },
  () => {
    let [cold, warm, wins] = [0, 0, 0];
    for (let seed = 0; seed < 30; seed += 1) {
      const random = createRandom(1_000 + seed);
      const centre = [0.2 + 0.6 * random.next(), 0.2 + 0.6 * random.next(), 0.2 + 0.6 * random.next()];
      const prior = [0, 1].map((index): PriorStudy => {
        const task = { best: around(random, centre, 0.08), scale: 10 ** (3 * index) };
        const made = search(tpeSampler(), task, 50 + 100 * seed + index, { trials: 40, target: 0 });
        return {
          name: `parent ${index}`,
          points: made.map(({ params, value }) => ({ params, loss: value as number })),
        };
      });
      const task = { best: around(random, centre, 0.08), scale: 0.1 };
      const limits = { trials: 150, target: 1.015 };
      const [without, with_] = [
        search(tpeSampler(), task, seed, limits).length,
        search(transferSampler(prior, tpeSampler()), task, seed, limits).length,
      ];
      cold += without;
      warm += with_;
      if (with_ < without) wins += 1;
    }
    expect(warm / cold).toBeLessThan(0.6);
    // The chance of 22 or more of 30 without an effect is below 1 %.
    expect(wins).toBeGreaterThanOrEqual(22);
  },
);

const subject = { metric: "loss", data: "sha256:data", algorithm: "sha256:code" } as const;

test("HT-14: each of SageMaker's restrictions has its own error, and parents that keep to them give what they know", async () => {
  await using parent = await openStudy({ name: "parent", space, direction: "minimize", pruner: false });
  await parent.optimize(({ params }) => lossOf({ best: [0.5, 0.5, 0.5], scale: 1 }, params), { trials: 4 });
  const described = await warmStartParent(parent, { ...subject, static: { depth: 3 } });
  expect(described.isFinished).toBe(true);
  const child = { name: "child", space, direction: "minimize" } as const;
  const start = {
    ...subject,
    static: { depth: 3 },
    type: "identical-data-and-algorithm",
    parents: [described],
  } as const;
  const prior = priorOfParents(child, start);
  expect(prior[0]?.points).toHaveLength(4);
  expect(prior[0]?.points[0]?.params).toMatchObject({ depth: 3 });

  const codeOf = (more: object, parents: readonly WarmStartParent[] = [described]): string => {
    try {
      priorOfParents(child, { ...start, ...more, parents });
      return "none";
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  const like = (more: object): WarmStartParent => ({ ...described, ...more });
  const names = Array.from({ length: 11 }, (_, index) => `p${index}`);
  const wider = { ...space, ...Object.fromEntries(names.map((name) => [name, float(0, 1)])) };
  const without = ({ p10: _p10, ...rest }: Readonly<Record<string, unknown>>): object => rest;
  const fixed = { depth: 3, ...Object.fromEntries(names.map((name) => [name, 0.5])) };
  expect({
    none: codeOf({}, []),
    six: codeOf(
      {},
      names.slice(0, 6).map((name) => like({ name })),
    ),
    running: codeOf({}, [like({ isFinished: false })]),
    metric: codeOf({ metric: "accuracy" }),
    direction: codeOf({}, [like({ direction: "maximize" })]),
    count: codeOf({ static: {} }),
    kind: codeOf({}, [like({ space: { ...space, x: int(0, 1) } })]),
    changes: codeOf({ static: fixed }, [like({ space: wider })]),
    tenChanges: codeOf({ type: "transfer-learning", static: without(fixed) }, [like({ space: without(wider) })]),
    elder: codeOf({}, [like({ parents: ["elder"] })]),
    itself: codeOf({}, [like({ name: "child" })]),
    data: codeOf({ data: "sha256:other" }),
    transfer: codeOf({ data: "sha256:other", type: "transfer-learning" }),
    bothNamed: codeOf({}, [like({ parents: ["elder"] }), like({ name: "elder" })]),
  }).toEqual({
    none: "TUNER_WARM_START_PARENTS_INVALID",
    six: "TUNER_WARM_START_PARENTS_INVALID",
    running: "TUNER_WARM_START_PARENT_UNFINISHED",
    metric: "TUNER_WARM_START_METRIC_DIFFERS",
    direction: "TUNER_WARM_START_METRIC_DIFFERS",
    count: "TUNER_WARM_START_PARAMETERS_DIFFER",
    kind: "TUNER_WARM_START_PARAMETERS_DIFFER",
    changes: "TUNER_WARM_START_STATIC_CHANGES",
    tenChanges: "none",
    elder: "TUNER_WARM_START_RECURSIVE",
    itself: "TUNER_WARM_START_RECURSIVE",
    data: "TUNER_WARM_START_DATA_DIFFERS",
    transfer: "none",
    bothNamed: "none",
  });
  const running = await parent.ask();
  expect(running.number).toBe(4);
  expect((await warmStartParent(parent, subject)).isFinished).toBe(false);
});

test.each(["identical-data-and-algorithm", "transfer-learning"] as const)(
  "HT-14: a study opened with a warm start of %s tries the parent's best points first, and goes on with any sampler",
  async (type) => {
    const task = { best: [0.5, 0.5, 0.5], scale: 1 };
    await using parent = await openStudy({ name: "parent", space, direction: "minimize", pruner: false });
    await parent.optimize(({ params }) => lossOf(task, params), { trials: 15 });
    const parents = [await warmStartParent(parent, subject)];
    for (const sampler of [undefined, tpeSampler()]) {
      const warmStart = { ...subject, type, parents } as const;
      await using study = await openStudy({
        name: "child",
        space,
        direction: "minimize",
        pruner: false,
        sampler,
        warmStart,
      });
      await study.optimize(({ params }) => lossOf(task, params), { trials: 16 });
      const trials = await study.trials();
      expect(trials[0]?.params).toEqual((await parent.best()).params);
      expect(trials.every(({ state }) => state === "completed")).toBe(true);
      await expect(openStudy({ name: "p", space, direction: "maximize", warmStart })).rejects.toMatchObject({
        code: "TUNER_WARM_START_METRIC_DIFFERS",
      });
    }
  },
);
