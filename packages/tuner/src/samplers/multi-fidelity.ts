import type { Random } from "@millwright/contracts";
import { lossOf } from "../outcome.ts";
import { drawParams, isAllowed } from "../space-constraints.ts";
import type { Params, Space } from "../space.ts";
import type { Sampler, SuggestContext, Suggestion, Trial } from "../trial.ts";
import { createEncoding } from "./encoding.ts";
import { estimateFinals } from "./final-values.ts";
import { gpSampler } from "./gp.ts";

export interface MultiFidelityOptions {
  /** What models the estimates. Default: `gpSampler()`. */
  readonly sampler?: Sampler | undefined;
  /** Share of suggestions that are drawn at random, in [0, 1]: early values may mislead. Default: 0.1. */
  readonly randomShare?: number | undefined;
  /** Share of suggestions, in [0, 1], that are the best trial with each parameter changed with probability ½, by a normal step of a quarter of its range. Default: 0. */
  readonly mutationShare?: number | undefined;
}

/**
 * For studies whose pruner stops or pauses trials: gives another sampler an estimate of the final value of every trial that reported anything, instead of the few that
 * completed. What a value at a step is worth at the end is learned, step by step from the last one down, from the trials that went on beyond it: by linear regression that is
 * drawn towards a shift. Where BOHB (Falkner et al., ICML 2018) models the highest budget with enough trials, this uses all of them; the mutation of the incumbent is that of
 * PriorBand (Mallik et al., NeurIPS 2023).
 */
export function multiFidelitySampler(options: MultiFidelityOptions = {}): Sampler {
  const { sampler = gpSampler(), randomShare = 0.1, mutationShare = 0 } = options;
  for (const [name, share] of Object.entries({ randomShare, mutationShare }))
    if (!(share >= 0 && share <= 1)) throw new RangeError(`${name} is ${String(share)}; it must lie in [0, 1].`);
  if (typeof sampler?.suggest !== "function") throw new TypeError("multiFidelitySampler wraps a sampler.");
  return {
    name: `multi-fidelity(${sampler.name})`,
    suggest(space, context, random): Suggestion {
      const told = { sampler: "multi-fidelity" };
      const trials = estimateFinals(context);
      const choice = random.next();
      if (choice < randomShare) {
        const explanation = { ...told, phase: "random" };
        return { params: drawParams(space, random, context.constraints), explanation };
      }
      const incumbent = choice < randomShare + mutationShare ? bestOf(trials, context) : undefined;
      const mutated = incumbent && mutate(space, incumbent.params, context, random);
      if (mutated !== undefined)
        return { params: mutated, explanation: { ...told, phase: "mutation", incumbent: incumbent?.number ?? 0 } };
      const { params, explanation } = sampler.suggest(space, { ...context, trials }, random);
      return { params, explanation: { ...explanation, wrapper: told.sampler } };
    },
  };
}

function bestOf(trials: readonly Trial[], { direction }: SuggestContext): Trial | undefined {
  let best: { readonly trial: Trial; readonly loss: number } | undefined;
  for (const trial of trials) {
    const loss = trial.state === "completed" ? lossOf(trial, direction) : undefined;
    if (loss !== undefined && (best === undefined || loss < best.loss)) best = { trial, loss };
  }
  return best?.trial;
}

const mutationRate = 0.5;
const mutationDeviation = 0.25;
const mutationTries = 20;

/** @returns nothing where no change was found that the constraints allow. */
function mutate(space: Space, params: Params, { constraints }: SuggestContext, random: Random): Params | undefined {
  const encoding = createEncoding(space);
  const from = encoding.encode(params);
  for (let count = 0; count < mutationTries; count += 1) {
    const point = from.map((at, index) => {
      if (random.next() >= mutationRate) return at;
      const { kind, levels } = encoding.dimensions[index] as (typeof encoding.dimensions)[number];
      if (kind === "categorical") return (random.integer(levels) + 0.5) / levels;
      return Math.min(1, Math.max(0, at + mutationDeviation * random.normal()));
    });
    const mutated = encoding.decode(point);
    if (isAllowed(constraints, mutated)) return mutated;
  }
  return undefined;
}
