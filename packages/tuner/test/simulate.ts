import { createRandom } from "@millwright/contracts";
import type { Params, Sampler, Space, SuggestContext, Trial } from "@millwright/tuner";

export interface Simulation {
  readonly space: Space;
  readonly sampler: Sampler | (() => Sampler);
  /** A number; `"fail"`; or a report after which the trial is pruned. */
  readonly objective: (params: Params, number: number) => number | "fail" | { readonly pruned: number };
  readonly trials: number;
  readonly seed: number;
  /** Trials under way at a time; the oldest ends first. Default: 1. */
  readonly workers?: number;
  readonly context?: Partial<SuggestContext>;
  readonly before?: readonly Trial[];
}

/** Runs a sampler without a study: trial k is suggested with the stream `seed`, `k`. @returns the trials. */
export function simulate({
  space,
  sampler,
  objective,
  trials,
  seed,
  workers = 1,
  context,
  before = [],
}: Simulation): readonly Trial[] {
  const done: Trial[] = [...before];
  const random = createRandom(seed);
  const running: number[] = [];
  const finish = (): void => {
    const number = running.shift() as number;
    const trial = done[number] as Trial;
    const result = objective(trial.params, number);
    if (result === "fail") done[number] = { ...trial, state: "failed", reason: "failed" };
    else if (typeof result === "number")
      done[number] = { ...trial, state: "completed", value: result, values: [result] };
    else done[number] = { ...trial, state: "pruned", intermediates: [[1, result.pruned]] };
  };
  for (let number = before.length; number < before.length + trials; number += 1) {
    const own = typeof sampler === "function" ? sampler() : sampler;
    const suggestion = own.suggest(
      space,
      { direction: "minimize", trials: [...done], ...context },
      random.fork(number),
    );
    done.push({ number, state: "running", ...suggestion, intermediates: [], attempts: 1 });
    running.push(number);
    if (running.length >= workers) finish();
  }
  while (running.length > 0) finish();
  return done;
}

export const lowest = (trials: readonly Trial[]): number =>
  Math.min(...trials.flatMap(({ value }) => (value === undefined ? [] : [value])));

/** One-sided Wilcoxon signed-rank test that `a` is below `b`, by the normal approximation. @returns the p value. */
export function wilcoxonBelow(a: readonly number[], b: readonly number[]): number {
  const differences = a.map((value, index) => value - (b[index] as number)).filter((value) => value !== 0);
  const ranked = differences.toSorted((x, y) => Math.abs(x) - Math.abs(y));
  const above = ranked.reduce((sum, value, index) => (value > 0 ? sum + index + 1 : sum), 0);
  const n = ranked.length;
  const z = (above - (n * (n + 1)) / 4) / Math.sqrt((n * (n + 1) * (2 * n + 1)) / 24);
  // Φ(z), Abramowitz and Stegun 7.1.26, exact to 1.5e-7.
  const t = 1 / (1 + 0.3275911 * (Math.abs(z) / Math.SQRT2));
  const tail =
    0.5 *
    t *
    (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) *
    Math.exp((-z * z) / 2);
  return z < 0 ? tail : 1 - tail;
}
