import type { Params, Space } from "../space.ts";
import type { Direction, Sampler, Trial } from "../trial.ts";
import { drawParams, isAllowed } from "../space-constraints.ts";
import { parzenEstimator } from "./parzen.ts";

export interface TpeOptions {
  /** Trials drawn at random first. Default: 10. */
  readonly startupTrials?: number | undefined;
  /** Candidates drawn from the good trials' density. Default: 24. */
  readonly candidates?: number | undefined;
}

/**
 * Tree-structured Parzen estimator with the defaults of Optuna 5: multivariate, running trials counted among the bad ones ("constant liar"), the best
 * min(⌈0.1 n⌉, 25) trials as the good ones.
 * Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NIPS 2011; Watanabe, arXiv 2304.11127.
 */
export function tpeSampler({ startupTrials = 10, candidates = 24 }: TpeOptions = {}): Sampler {
  return {
    name: "tpe",
    suggest(space, { trials, direction, constraints }, random) {
      const known = trials.filter(({ state }) => state === "completed" || state === "pruned" || state === "running");
      if (known.length < startupTrials || !isModelled(space)) {
        return {
          params: drawParams(space, random, constraints),
          explanation: { sampler: "tpe", phase: "startup", trials: known.length },
        };
      }
      const { below, above } = splitTrials(known, direction);
      const good = parzenEstimator(space, paramsOf(below), trialWeights(below.length));
      const bad = parzenEstimator(space, paramsOf(above), trialWeights(above.length));
      let best: { params: Params; score: number } | undefined;
      for (let index = 0; index < candidates; index += 1) {
        const params = good.sample(random);
        if (!isAllowed(constraints, params)) continue;
        const score = good.logDensity(params) - bad.logDensity(params);
        if (best === undefined || score > best.score) best = { params, score };
      }
      const { params, score } = best ?? { params: drawParams(space, random, constraints), score: 0 };
      return {
        params,
        explanation: { sampler: "tpe", phase: "model", good: below.length, bad: above.length, logRatio: score },
      };
    },
  };
}

/** Whether the densities know all of the space; of another, parameters are drawn at random. */
const isModelled = (space: Space): boolean =>
  Object.values(space).every(
    ({ kind, conditions }) =>
      (kind === "float" || kind === "int" || kind === "categorical") && conditions === undefined,
  );

/** How many of `finished` trials count as good: min(⌈0.1 n⌉, 25). */
export const goodTrials = (finished: number): number => Math.min(Math.ceil(0.1 * finished), 25);

/** Weights by age, oldest first: all 1 below 25 trials; else a ramp from 1/n to 1 over the oldest n − 25, and 1 for the last 25. */
export function trialWeights(count: number): number[] {
  if (count < 25) return new Array<number>(count).fill(1);
  const ramped = count - 25;
  const ramp = Array.from(
    { length: ramped },
    (_, index) => 1 / count + (1 - 1 / count) * (ramped === 1 ? 0 : index / (ramped - 1)),
  );
  return [...ramp, ...new Array<number>(25).fill(1)];
}

/** Completed trials by value come first, then pruned ones: those that got furthest, then by their last value. Running ones are bad. */
export function splitTrials(
  trials: readonly Trial[],
  direction: Direction,
): { readonly below: readonly Trial[]; readonly above: readonly Trial[] } {
  const sign = direction === "minimize" ? 1 : -1;
  const completed = trials.filter(({ state }) => state === "completed");
  const pruned = trials.filter(({ state }) => state === "pruned");
  const count = goodTrials(completed.length + pruned.length);
  const ranked = [
    ...completed.toSorted((a, b) => sign * ((a.value ?? 0) - (b.value ?? 0))),
    ...pruned.toSorted((a, b) => compareScores(prunedScore(a, sign), prunedScore(b, sign))),
  ];
  const good = new Set(ranked.slice(0, count));
  const byNumber = trials.toSorted((a, b) => a.number - b.number);
  return { below: byNumber.filter((trial) => good.has(trial)), above: byNumber.filter((trial) => !good.has(trial)) };
}

function prunedScore(trial: Trial, sign: number): readonly [number, number] {
  const last = trial.intermediates.at(-1);
  if (last === undefined) return [1, 0];
  const [step, value] = last;
  return [-step, Number.isNaN(value) ? Infinity : sign * value];
}

const compareScores = ([a, b]: readonly [number, number], [c, d]: readonly [number, number]): number =>
  a === c ? (b < d ? -1 : b > d ? 1 : 0) : a - c;

const paramsOf = (trials: readonly Trial[]): readonly Params[] => trials.map(({ params }) => params);
