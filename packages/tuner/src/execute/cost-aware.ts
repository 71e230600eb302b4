import type { Random } from "@millwright/contracts";
import { logExpectedImprovement } from "../gp/expected-improvement.ts";
import { conditionGaussianProcess } from "../gp/gaussian-process.ts";
import { fitHyperparameters } from "../gp/hyperparameters.ts";
import { lossOf } from "../outcome.ts";
import { createEncoding } from "../samplers/encoding.ts";
import { tpeSampler } from "../samplers/tpe.ts";
import type { Params, Space } from "../space.ts";
import { isAllowed } from "../space-constraints.ts";
import type { Sampler, SuggestContext, Suggestion, Trial } from "../trial.ts";
import { learnCosts } from "./cost-model.ts";

export interface CostAwareOptions {
  /** Suggestions of the base sampler to choose from, from 1 to 1,000. Default: 12. */
  readonly candidates?: number | undefined;
  /** What a trial of these parameters costs, above 0, where that is known; pure. Default: learnt from trials' `cost`, or else their time. */
  readonly cost?: ((params: Params) => number) | undefined;
  /** The unit of trials' `cost` that counts. Default: the first one there is. */
  readonly unit?: string | undefined;
  /** Until so many trials are completed, the cheapest candidate is taken. Default: 6. */
  readonly startupTrials?: number | undefined;
}

/** More do not make the choice better, and take their time. */
const mostObservations = 120;
/** Of its coordinates, so many come from the random point. */
const mixedPart = 0.3;

/**
 * Any sampler, made aware of what trials cost: of several of its suggestions, and points between them and random ones, the one with the greatest expected improvement per unit of cost, by a Gaussian process on the
 * trials so far; at first, the cheapest. For searches whose parameters decide what a trial costs, such as sizes and numbers of epochs.
 * Snoek, Larochelle and Adams, "Practical Bayesian optimization of machine learning algorithms" (2012), §3.2; start by cost: Lee et al., "Cost-aware Bayesian optimization",
 * arXiv 2003.10870. Throws RangeError.
 */
export function costAwareSampler(base: Sampler = tpeSampler(), options: CostAwareOptions = {}): Sampler {
  const { candidates = 12, cost, unit, startupTrials = 6 } = options;
  if (typeof base?.suggest !== "function") throw new TypeError("costAwareSampler needs a sampler to choose from.");
  if (!Number.isInteger(candidates) || candidates < 1 || candidates > 1_000)
    throw new RangeError(`candidates is ${String(candidates)}; it must be a whole number from 1 to 1,000.`);
  return {
    name: `cost-aware ${base.name}`,
    suggest(space, context, random) {
      const logCost =
        cost === undefined ? learntLogCost(space, context.trials, unit) : (params: Params) => Math.log(cost(params));
      const drawn = draw(base, space, context, random, logCost === undefined ? 1 : candidates);
      if (logCost === undefined) return drawn[0] as Suggestion;
      const completed = context.trials.filter(({ state }) => state === "completed");
      const improvement = completed.length < startupTrials ? () => 0 : improvementOf(space, context, completed);
      let best: { readonly suggestion: Suggestion; readonly score: number; readonly logCost: number } | undefined;
      for (const suggestion of drawn) {
        const own = logCost(suggestion.params);
        const score = improvement(suggestion.params) - own;
        if (best === undefined || score > best.score) best = { suggestion, score, logCost: own };
      }
      const { suggestion, score, logCost: own } = best as NonNullable<typeof best>;
      const { params, explanation } = suggestion;
      return { params, explanation: { ...explanation, predictedCost: Math.exp(own), logImprovementPerCost: score } };
    },
  };
}

/** Suggestions of the base sampler, and as many that are made of one of them and a random point, so that costs differ among them. */
function draw(
  base: Sampler,
  space: Space,
  context: SuggestContext,
  random: Random,
  count: number,
): readonly Suggestion[] {
  const drawn = Array.from({ length: count }, (_, index) =>
    base.suggest(space, context, index === 0 ? random : random.fork(`candidate/${index}`)),
  );
  if (count === 1) return drawn;
  const encoding = createEncoding(space);
  const mixing = random.fork("mixing");
  const mixed = drawn.flatMap(({ params, explanation }): readonly Suggestion[] => {
    const point = encoding.encode(params);
    for (const [index, { kind, levels }] of encoding.dimensions.entries()) {
      const other = kind === "categorical" ? (mixing.integer(levels) + 0.5) / levels : mixing.next();
      if (mixing.next() < mixedPart) point[index] = other;
    }
    const made = encoding.decode(point);
    return isAllowed(context.constraints, made) ? [{ params: made, explanation: { ...explanation, mixed: true } }] : [];
  });
  return [...drawn, ...mixed];
}

function learntLogCost(
  space: Space,
  trials: readonly Trial[],
  unit: string | undefined,
): ((params: Params) => number) | undefined {
  const model = learnCosts(space, trials);
  const known = model.predict({})?.expected;
  const counted = unit ?? Object.keys(known ?? {})[0];
  if (known === undefined || counted === undefined || known[counted] === undefined) return undefined;
  return (params) => Math.log(model.predict(params)?.expected[counted] ?? 1);
}

/** The logarithm of the expected improvement on the best trial. */
function improvementOf(
  space: Space,
  { direction }: SuggestContext,
  completed: readonly Trial[],
): (params: Params) => number {
  const encoding = createEncoding(space);
  const dimensions = encoding.dimensions.length;
  const losses = completed.map((trial) => lossOf(trial, direction) ?? 0);
  const kept = completed
    .map((trial, index) => ({ params: trial.params, loss: losses[index] as number }))
    .filter(({ loss }) => Number.isFinite(loss))
    .slice(-mostObservations);
  if (kept.length < 2 || dimensions === 0) return () => 0;
  const mean = kept.reduce((sum, { loss }) => sum + loss, 0) / kept.length;
  const deviation = Math.sqrt(kept.reduce((sum, { loss }) => sum + (loss - mean) ** 2, 0) / kept.length) || 1;
  const points = new Float64Array(kept.length * dimensions);
  for (const [row, { params }] of kept.entries()) points.set(encoding.encode(params), row * dimensions);
  const targets = Float64Array.from(kept, ({ loss }) => (loss - mean) / deviation);
  const coordinates = { dimensions, categorical: encoding.dimensions.map(({ kind }) => kind === "categorical") };
  const observations = { points, targets };
  const { hyperparameters } = fitHyperparameters(coordinates, observations, { evaluations: 30 });
  const process = conditionGaussianProcess(coordinates, hyperparameters, observations);
  const best = Math.min(...targets);
  return (params) => {
    const { means, variances } = process.posterior(encoding.encode(params), 1);
    const spread = Math.sqrt(Math.max(1e-12, variances[0] as number));
    return logExpectedImprovement(means[0] as number, spread, best);
  };
}
