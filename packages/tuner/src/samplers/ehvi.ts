import type { Random } from "@millwright/contracts";
import type { Acquisition } from "../gp/acquisition.ts";
import { avoidingFailures } from "../gp/failures.ts";
import {
  type ConstraintModel,
  combined,
  constraintModels,
  explainConstraints,
  logFeasibility,
} from "../gp/feasibility.ts";
import type { GaussianProcess } from "../gp/gaussian-process.ts";
import { type Lattice, latticeOf } from "../gp/lattice.ts";
import { searchAcquisition } from "../gp/search.ts";
import { type Objective, explainFits, objectiveOf } from "../multi/ehvi-objective.ts";
import { referenceLosses } from "../multi/front.ts";
import { type Observations, observe } from "../multi/observations.ts";
import type { Space } from "../space.ts";
import { drawParams, isAllowed } from "../space-constraints.ts";
import type { Sampler, SuggestContext, Suggestion } from "../trial.ts";
import { sobolStartup } from "./sobol-startup.ts";

export interface EhviOptions {
  /** Trials of a scrambled Sobol sequence first. From 1. Default: twice the coordinates and two, from 6 to 20. */
  readonly startupTrials?: number | undefined;
  /**
   * The worst value of each objective that is of interest, in its own direction; the hypervolume is measured from there. Default: by turns a tenth of the
   * front's extent short of its worst, and a fifth beyond.
   */
  readonly reference?: readonly number[] | undefined;
  /** Points at which the acquisition is looked at before local searches; half of them about the front. From 2. Default: 512. */
  readonly candidates?: number | undefined;
  /** Local searches from the best of them. From 1. Default: 5. */
  readonly starts?: number | undefined;
}

/**
 * Gaussian processes, one per objective, and the log of the expected hypervolume improvement, exact by box decomposition; over trials under way by
 * fantasies. Measured constraints weigh it by the probability of being feasible; until a trial is, that alone counts. With more than four objectives,
 * or four and more than 40 trials on the front: ParEGO, the expected improvement of a random augmented Tchebycheff value. Throws RangeError for an option out of its range.
 * Daulton, Balandat and Bakshy 2020, arXiv 2006.05078; Ament et al. 2023, arXiv 2310.20708; Gardner et al. 2014, ICML; Knowles 2006, IEEE TEVC 10.
 */
export function ehviSampler(options: EhviOptions = {}): Sampler {
  const { startupTrials, candidates = 512, starts = 5 } = options;
  for (const [name, value, least] of [
    ["startupTrials", startupTrials, 1],
    ["candidates", candidates, 2],
    ["starts", starts, 1],
  ] as const) {
    if (value !== undefined && (!Number.isSafeInteger(value) || value < least))
      throw new RangeError(`"${name}" is a whole number from ${least}, not ${String(value)}.`);
  }
  return {
    name: "ehvi",
    suggest(space, context, random) {
      const lattice = latticeOf(space);
      const { dimensions } = lattice.coordinates;
      const { directions = [context.direction] } = context;
      const reference = options.reference === undefined ? undefined : referenceLosses(options.reference, directions);
      const observations = observe(space, lattice, context.trials, directions);
      const known = observations.losses.length;
      const least = startupTrials ?? Math.min(20, Math.max(6, 2 * dimensions + 2));
      if (dimensions === 0 || known + observations.pending.count < least || known < Math.max(2, least / 2))
        return sobolStartup("ehvi", { space, lattice, context, random });
      return suggestByModels({ space, lattice, context, random, observations, reference, candidates, starts });
    },
  };
}

interface Parts {
  readonly space: Space;
  readonly lattice: Lattice;
  readonly context: SuggestContext;
  readonly random: Random;
  readonly observations: Observations;
  readonly reference: readonly number[] | undefined;
  readonly candidates: number;
  readonly starts: number;
}

function suggestByModels(parts: Parts): Suggestion {
  const { space, lattice, context, random, observations, reference } = parts;
  const { coordinates, encoding } = lattice;
  const { trials } = context;
  const constraints = constraintModels(space, lattice, trials);
  const objective = objectiveOf({ coordinates, trials, observations, reference, random });
  const models = [...(objective?.surrogates ?? []), ...constraints].map(({ model }) => model);
  const free = context.constraints === undefined || context.constraints.length === 0;
  const taken = takenPoints(observations, coordinates.dimensions);
  const found = searchAcquisition({
    lattice,
    acquisition: acquisitionOf(parts, objective, constraints),
    anchors: anchorsOf(parts, objective?.front ?? []),
    lower: new Float64Array(coordinates.dimensions),
    upper: new Float64Array(coordinates.dimensions).fill(1),
    strides: stridesOf(models, coordinates.dimensions),
    random,
    candidates: Math.ceil(parts.candidates / 2),
    starts: parts.starts,
    allows: free ? () => true : (point) => isAllowed(context.constraints, encoding.decode(point)),
    taken: (point) => taken.has(point.join(",")),
  });
  const explanation = {
    sampler: "ehvi",
    phase: "model",
    acquisition: objective?.kind ?? "feasibility",
    trials: observations.losses.length,
    front: objective?.front.length ?? 0,
    ...(observations.pending.count === 0 ? {} : { pending: observations.pending.count }),
    ...(found === undefined ? {} : { logImprovement: found.value }),
    ...(objective === undefined ? {} : explainFits(objective)),
    ...explainConstraints(constraints),
  };
  if (found === undefined) return { params: drawParams(space, random, context.constraints), explanation };
  return { params: encoding.decode(found.point), explanation };
}

/** The improvement by the probability of being feasible, away from failures. */
function acquisitionOf(
  { lattice: { coordinates }, observations }: Parts,
  objective: Objective | undefined,
  constraints: readonly ConstraintModel[],
): Acquisition {
  const acquisition = combined([
    ...(objective === undefined ? [] : [objective.acquisition]),
    ...(constraints.length === 0 ? [] : [logFeasibility(constraints)]),
  ]);
  const { failed, points: succeeded } = observations;
  const model = objective?.surrogates[0]?.model ?? constraints[0]?.model;
  if (failed.length === 0 || model === undefined) return acquisition;
  return avoidingFailures(acquisition, { coordinates, hyperparameters: model.hyperparameters, succeeded, failed });
}

/** Up to ten points spread over the front; of all trials where none is feasible. */
function anchorsOf({ observations: { points, losses }, lattice }: Parts, front: readonly number[]): Float64Array[] {
  const { dimensions } = lattice.coordinates;
  const rows = front.length > 0 ? front : [...losses.keys()];
  const count = Math.min(10, rows.length);
  return Array.from({ length: count }, (_, index) => {
    const row = rows[Math.floor((index * rows.length) / count)] as number;
    return points.slice(row * dimensions, (row + 1) * dimensions);
  });
}

/** About a length scale of each coordinate, by the mean over the models. */
function stridesOf(models: readonly GaussianProcess[], dimensions: number): Float64Array {
  return Float64Array.from({ length: dimensions }, (_, index) => {
    const sum = models.reduce((total, { hyperparameters }) => total + (hyperparameters.weights[index] as number), 0);
    return Math.min(1, Math.max(0.05, 1 / Math.sqrt(models.length === 0 ? 1 : sum / models.length)));
  });
}

function takenPoints({ points, pending }: Observations, dimensions: number): ReadonlySet<string> {
  const keys = new Set<string>();
  for (const rows of [points, pending.points]) {
    for (let start = 0; start < rows.length; start += dimensions)
      keys.add(rows.subarray(start, start + dimensions).join(","));
  }
  return keys;
}
