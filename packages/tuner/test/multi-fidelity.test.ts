import { createRandom } from "@millwright/contracts";
import {
  type Trial,
  ashaPruner,
  categorical,
  float,
  int,
  linear,
  multiFidelitySampler,
  openStudy,
  randomSampler,
  tpeSampler,
} from "@millwright/tuner";
import { expect, test } from "vitest";
import { estimateFinals } from "../src/samplers/final-values.ts";

const space = { x: float(0, 1), y: float(0, 1), n: int(1, 9), kind: categorical(["a", "b", "c"]) };

const trialOf = (number: number, state: Trial["state"], values: readonly number[]): Trial => ({
  number,
  state,
  params: { x: number / 50, y: 0.5, n: 1, kind: "a" },
  explanation: {},
  intermediates: values.map((value, index) => [index + 1, value] as const),
  attempts: 1,
  ...(state === "completed" ? { value: values.at(-1), values: [values.at(-1) as number] } : {}),
});

test("what a stopped trial would have come to is estimated from those that went on", () => {
  // The value at step 3 is half of that at step 1, plus 1.
  const gone = [2, 4, 6, 8].map((first, number) => trialOf(number, "completed", [first, first, first / 2 + 1]));
  const stopped = [trialOf(4, "paused", [10]), trialOf(5, "pruned", [5]), trialOf(6, "running", [3])];
  const others = [trialOf(7, "running", []), trialOf(8, "failed", [1]), trialOf(9, "paused", [Number.NaN])];
  const trials = [...gone, ...stopped, ...others];
  const estimated = estimateFinals({ trials, direction: "minimize" });
  expect(estimated.slice(0, 4)).toEqual(gone);
  expect(estimated.slice(7)).toEqual(others);
  const values = estimated.slice(4, 7).map(({ state, value }) => [state, value]);
  // Drawn towards a shift, so that the slope is between ½ and 1 and the order is kept.
  const [low, middle, high] = [values[2]![1], values[1]![1], values[0]![1]] as number[];
  expect(values.every(([state]) => state === "completed")).toBe(true);
  expect(middle).toBeCloseTo(3.5, 1);
  expect((high! - low!) / 7).toBeGreaterThan(0.5);
  expect((high! - low!) / 7).toBeLessThan(0.8);
  const negated = trials.map((trial): Trial => ({
    ...trial,
    intermediates: trial.intermediates.map(([step, value]) => [step, -value] as const),
    ...(trial.value === undefined ? {} : { value: -trial.value, values: [-trial.value] }),
  }));
  expect(estimateFinals({ trials: negated, direction: "maximize" }).map(({ value }) => value)).toEqual(
    estimated.map(({ value }) => (value === undefined ? undefined : -value)),
  );
});

test("estimates go from rung to rung, and nothing is known of a curve that nobody went on from", () => {
  // 1 → 2 loses 1, 2 → 3 loses 10.
  const trials = [
    trialOf(0, "completed", [20, 19, 9]),
    trialOf(1, "completed", [22, 21, 11]),
    trialOf(2, "paused", [21, 20]),
    trialOf(3, "paused", [23]),
    trialOf(4, "paused", [25]),
  ];
  const values = estimateFinals({ trials, direction: "minimize" }).map(({ value }) => value);
  expect(values[2]).toBeCloseTo(10, 10);
  expect(values[3]).toBeCloseTo(12, 10);
  expect(values[4]).toBeCloseTo(14, 10);
  const alone = [trialOf(0, "paused", [3]), trialOf(1, "paused", [5])];
  expect(estimateFinals({ trials: alone, direction: "minimize" }).map(({ value }) => value)).toEqual([3, 5]);
});

test("of two trials with the same last value, the one whose curve still falls is estimated to end better", () => {
  const curveOf = (level: number, scale: number, count: number): readonly number[] =>
    Array.from({ length: count }, (_, index) => level + scale / (index + 1));
  const gone = [0.2, 0.4, 0.6].map((level, number) => trialOf(number, "completed", curveOf(level, 1, 30)));
  // After six steps both have 1.
  const flat = trialOf(3, "paused", curveOf(0.95, 0.3, 6));
  const falling = trialOf(4, "paused", curveOf(0.5, 3, 6));
  expect(flat.intermediates.at(-1)?.[1]).toBeCloseTo(falling.intermediates.at(-1)?.[1] as number, 12);
  const estimated = estimateFinals({ trials: [...gone, flat, falling], direction: "minimize" });
  const [one, other] = [estimated[3]?.value as number, estimated[4]?.value as number];
  expect(one).toBeGreaterThan(0.85);
  expect(other).toBeLessThan(0.75);
});

/** The least final value among the trials that were trained to the end, and what was spent. */
async function search(sampler: ReturnType<typeof randomSampler>, seed: number): Promise<number> {
  await using study = await openStudy({
    name: "search",
    space,
    direction: "minimize",
    seed,
    sampler,
    pruner: ashaPruner({ maximumResource: 27 }),
  });
  let spent = 0;
  const random = createRandom(seed);
  let best = Infinity;
  const stop = new AbortController();
  const run = study.optimize(
    async ({ params, checkpoint, report, signal }) => {
      const { x, y, n, kind } = params;
      const level = (x - 0.3) ** 2 + (y - 0.7) ** 2 + ((n - 4) / 8) ** 2 + (kind === "b" ? 0 : 0.1);
      for (let step = Number(checkpoint ?? 0) + 1; step <= 27; step += 1) {
        spent += 1;
        if (spent > 8 * 27) stop.abort(new Error("spent"));
        signal.throwIfAborted();
        const value = level + 1 / step + 0.01 * random.normal();
        if ((await report(step, value, { checkpoint: String(step) })) !== "continue") return value;
      }
      best = Math.min(best, level);
      return level;
    },
    { trials: 1_000, signal: stop.signal },
  );
  await run.catch(() => {});
  return best;
}

test("with ASHA it finds better trials than random search, and than a sampler that sees completed trials alone", async () => {
  const medianOf = async (sampler: ReturnType<typeof randomSampler>): Promise<number> => {
    const found: number[] = [];
    for (let seed = 0; seed < 5; seed += 1) found.push(await search(sampler, seed));
    return found.toSorted((a, b) => a - b)[2] as number;
  };
  const [ours, bare, random] = [
    await medianOf(multiFidelitySampler()),
    await medianOf(tpeSampler()),
    await medianOf(randomSampler()),
  ];
  expect(ours).toBeLessThan(0.6 * bare);
  expect(ours).toBeLessThan(0.6 * random);
});

test("it keeps to constraints and is a pure function of the trials", () => {
  const constraints = [linear({ x: 1, y: 1 }, { atMost: 0.6 })];
  const trials = Array.from({ length: 30 }, (_, number): Trial => {
    const x = (number % 6) / 12;
    return { ...trialOf(number, "paused", [x + 1, x]), params: { x, y: 0.1, n: 1 + (number % 9), kind: "a" } };
  });
  const context = { direction: "minimize", trials, constraints } as const;
  const sampler = multiFidelitySampler({ mutationShare: 0.5 });
  for (let seed = 0; seed < 60; seed += 1) {
    const suggested = sampler.suggest(space, context, createRandom(seed));
    expect(suggested).toEqual(multiFidelitySampler({ mutationShare: 0.5 }).suggest(space, context, createRandom(seed)));
    const { x, y } = suggested.params as { readonly x: number; readonly y: number };
    expect(x + y).toBeLessThanOrEqual(0.6 + 1e-9);
  }
  expect(() => multiFidelitySampler({ randomShare: 2 })).toThrow(RangeError);
});
