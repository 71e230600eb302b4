import type { Space } from "../space.ts";
import type { Sampler, SuggestContext } from "../trial.ts";
import { cmaEsSampler } from "./cma-es.ts";
import { ehviSampler } from "./ehvi.ts";
import { createEncoding } from "./encoding.ts";
import { gpSampler } from "./gp.ts";
import { multiFidelitySampler } from "./multi-fidelity.ts";
import { nsga2Sampler } from "./nsga2.ts";
import { type Arm, chooseArm, progressOf } from "./portfolio.ts";
import { tpeSampler } from "./tpe.ts";

type ArmName = "gp" | "gp-global" | "tpe" | "cma-es" | "ehvi" | "nsga2";

/** Finished trials from which a Gaussian process costs more than it gives. */
const mostForProcess = 500;
/** The same with several objectives, each with a process of its own. */
const mostForProcesses = 300;

/**
 * The default: a portfolio that picks the sampler of each trial by the space, by how many trials there are, and by how each arm is doing. A Gaussian
 * process in a trust region begins; where nothing gets clearly better for a while, one without a region and a tree-structured Parzen estimator have a
 * growing share of the turns. Of many trials, CMA-ES goes on in spaces of numbers and the Parzen estimator in others. Several objectives: expected hypervolume
 * improvement, and of many trials NSGA-II.
 * Once a pruner stopped or paused trials, the portfolio sees estimates of their final values, as `multiFidelitySampler` has them.
 * `explanation.arm` names the arm; the other entries are those of its sampler.
 * Portfolios of acquisition strategies: Hoffman, Brochu and de Freitas, "Portfolio allocation for Bayesian optimization", UAI 2011.
 */
export function autoSampler(): Sampler {
  const samplers: Readonly<Record<ArmName, Sampler>> = {
    gp: gpSampler(),
    "gp-global": gpSampler({ trustRegion: false }),
    tpe: tpeSampler(),
    "cma-es": cmaEsSampler(),
    ehvi: ehviSampler(),
    nsga2: nsga2Sampler(),
  };
  const portfolio: Sampler = {
    name: "auto",
    suggest(space, context, random) {
      const arm = armFor(space, context, random.fork("portfolio"));
      const { params, explanation } = samplers[arm].suggest(space, context, random);
      return { params, explanation: { ...explanation, arm } };
    },
  };
  const early = multiFidelitySampler({ sampler: portfolio });
  return {
    name: "auto",
    suggest: (space, context, random) => (hasStopped(context) ? early : portfolio).suggest(space, context, random),
  };
}

/** Whether a pruner stopped or paused trials of a single objective on the way: a model of completed trials alone would miss what they told. */
const hasStopped = ({ directions, trials }: SuggestContext): boolean =>
  (directions?.length ?? 1) === 1 &&
  trials.some(({ state, intermediates }) => (state === "paused" || state === "pruned") && intermediates.length > 0);

function armFor(space: Space, context: SuggestContext, random: Parameters<Sampler["suggest"]>[2]): ArmName {
  if ((context.directions?.length ?? 1) > 1)
    return context.trials.filter(({ state }) => state === "completed").length < mostForProcesses ? "ehvi" : "nsga2";
  const { dimensions } = createEncoding(space);
  const progress = progressOf(context.trials, context.direction);
  const patience = 10 + dimensions.length;
  const numbers =
    dimensions.length > 1 && dimensions.every(({ kind, conditional }) => kind !== "categorical" && !conditional);
  const arm = (name: ArmName, credit: number): Arm & { readonly name: ArmName } => ({ name, credit });
  const many = progress.finished >= mostForProcess;
  const arms: readonly [Arm, ...Arm[]] = many
    ? numbers
      ? [arm("cma-es", 1), arm("tpe", 1)]
      : [arm("tpe", 1)]
    : [arm("gp", 1), arm("gp-global", 1), arm("tpe", 1)];
  return chooseArm(arms, progress, patience, random).name as ArmName;
}
