import type { Random } from "@millwright/contracts";
import { type Acquisition, logImprovementBelow, logImprovementBeyond } from "../gp/acquisition.ts";
import { perCost } from "../gp/cost.ts";
import { avoidingFailures } from "../gp/failures.ts";
import {
  type ConstraintModel,
  combined,
  constraintModels,
  explainConstraints,
  logFeasibility,
} from "../gp/feasibility.ts";
import { type GaussianProcess, conditionGaussianProcess } from "../gp/gaussian-process.ts";
import { type History, historyOf } from "../gp/history.ts";
import { type Lattice, latticeOf } from "../gp/lattice.ts";
import { type Found, searchAcquisition } from "../gp/search.ts";
import { type FitRecord, type Surrogate, surrogateOf } from "../gp/surrogate.ts";
import { regionBounds, trustRegion } from "../gp/trust-region.ts";
import { violationOf } from "../outcome.ts";
import type { Space } from "../space.ts";
import { drawParams, isAllowed } from "../space-constraints.ts";
import type { Explanation, Sampler, SuggestContext, Suggestion, Trial } from "../trial.ts";
import { ehviSampler } from "./ehvi.ts";
import { sobolStartup } from "./sobol-startup.ts";

export interface GpOptions {
  /** Trials of a scrambled Sobol sequence first. Default: from 4 to 10, the number of coordinates and one between. */
  readonly startupTrials?: number | undefined;
  /** Whether losses are warped (Yeo and Johnson) where that makes them likelier. Default: true. */
  readonly warp?: boolean | undefined;
  /** Whether equal parameters give equal values: no noise is fitted. Default: false. */
  readonly deterministic?: boolean | undefined;
  /**
   * Whether suggestions keep to a trust region about the best trial, which grows and shrinks with its success. While the fit takes more than 0.5 % of the
   * losses' variance for noise, success would be luck: the region keeps one size. Default: true.
   */
  readonly trustRegion?: boolean | undefined;
  /** Points at which the acquisition is looked at before local searches; half of them about the best trials. Default: 512. */
  readonly candidates?: number | undefined;
  /** Local searches from the best of them. Default: 5, and 3 from 200 trials on. */
  readonly starts?: number | undefined;
  /** A unit of the trials' `cost`, such as `seconds` or `usd`: improvement is counted per predicted unit of it. Default: cost does not count. */
  readonly costAware?: string | undefined;
}

/**
 * Bayesian optimisation: a Gaussian process (Matérn 5/2 with a length scale per coordinate, Hamming distance for choices) and the log of the expected
 * improvement. Rasmussen and Williams 2006; Snoek, Larochelle and Adams, NIPS 2012; Ament et al., arXiv 2310.20708; trust region: Eriksson et al., arXiv
 * 1910.01739. The fit stands in each trial's explanation, and the next begins there. Trials under way are pending: the improvement beyond what they may
 * bring counts. No value is made up for trials that failed; where most fail is looked at last. Constraints that trials measure are modelled, and an
 * improvement counts by the probability of being feasible (Gardner et al., ICML 2014). Several objectives go to `ehviSampler`.
 * Throws RangeError for an option out of its range.
 */
export function gpSampler(options: GpOptions = {}): Sampler {
  checkOptions(options);
  const several = ehviSampler({
    startupTrials: options.startupTrials,
    candidates: options.candidates,
    starts: options.starts,
  });
  let previous: GaussianProcess | undefined;
  return {
    name: "gp",
    suggest(space, context, random) {
      if ((context.directions?.length ?? 1) > 1) return several.suggest(space, context, random);
      const lattice = latticeOf(space);
      const { dimensions } = lattice.coordinates;
      const history = historyOf(space, lattice, context.trials, context.direction);
      const { startupTrials = Math.min(10, Math.max(4, dimensions + 1)) } = options;
      const begun = history.losses.length + history.pendingCount;
      if (dimensions === 0 || begun < startupTrials || history.losses.length < Math.max(2, startupTrials / 2))
        return sobolStartup("gp", { space, lattice, context, random });
      const { warp = true, deterministic = false } = options;
      const surrogate = surrogateOf({
        coordinates: lattice.coordinates,
        points: history.points,
        losses: history.losses,
        record: recordOf(context.trials, dimensions),
        warp,
        deterministic,
        noiseRate,
        previous,
      });
      previous = surrogate.model;
      const constraints = constraintModels(space, lattice, context.trials);
      const violations = violationsOf(history, context.trials);
      const parts = {
        space,
        lattice,
        context,
        random,
        history,
        surrogate,
        constraints,
        violations,
        options,
        startupTrials,
      };
      return suggestByModel(parts);
    },
  };
}

function checkOptions({ startupTrials, candidates, starts, costAware }: GpOptions): void {
  for (const [name, value, least] of [
    ["startupTrials", startupTrials, 1],
    ["candidates", candidates, 2],
    ["starts", starts, 1],
  ] as const) {
    if (value !== undefined && (!Number.isSafeInteger(value) || value < least))
      throw new RangeError(`"${name}" is a whole number from ${least}, not ${String(value)}.`);
  }
  if (costAware !== undefined && (typeof costAware !== "string" || costAware === ""))
    throw new RangeError('"costAware" is a unit of the trials\' cost, such as "seconds".');
}

interface ModelContext {
  readonly space: Space;
  readonly lattice: Lattice;
  readonly context: SuggestContext;
  readonly random: Random;
  readonly history: History;
  readonly surrogate: Surrogate;
  readonly constraints: readonly ConstraintModel[];
  /** Of each observation, 0 where it is feasible. */
  readonly violations: readonly number[];
  readonly options: GpOptions;
  readonly startupTrials: number;
}

function suggestByModel(parts: ModelContext): Suggestion {
  const { space, lattice, context, random, history, surrogate, violations, options, startupTrials } = parts;
  const { record, targets } = surrogate;
  const { dimensions, categorical = [] } = lattice.coordinates;
  const noisy = isNoisy(record.hyperparameters, targets.length);
  // Of noisy losses the lowest is the luckiest: the model's means tell better which trials are good.
  const merits = noisy ? surrogate.model.ownMeans() : targets;
  const ranked = [...targets.keys()].toSorted(
    (a, b) => (violations[a] as number) - (violations[b] as number) || (merits[a] as number) - (merits[b] as number),
  );
  const pointAt = (row: number): Float64Array => history.points.slice(row * dimensions, (row + 1) * dimensions);
  const { trustRegion: inRegion = true, candidates = 512, starts = targets.length < 200 ? 5 : 3 } = options;
  const acquisition = acquisitionOf(parts);
  const shown = noisy ? { length: noisyLength } : trustRegion(history.losses, startupTrials, dimensions);
  const region = inRegion ? shown : undefined;
  const { weights } = record.hyperparameters;
  const everywhere = { lower: new Float64Array(dimensions), upper: new Float64Array(dimensions).fill(1) };
  const bounds =
    region === undefined ? everywhere : regionBounds(pointAt(ranked[0] as number), weights, region.length, categorical);
  const taken = takenIn(history, lattice);
  const search = {
    lattice,
    acquisition,
    anchors: ranked.slice(0, 5).map(pointAt),
    strides: weights.map((weight) => Math.min(1, Math.max(0.05, 1 / Math.sqrt(weight)))),
    random,
    candidates: Math.ceil(candidates / 2),
    starts,
    allows:
      context.constraints === undefined || context.constraints.length === 0
        ? () => true
        : (point: Float64Array) => isAllowed(context.constraints, lattice.encoding.decode(point)),
    taken,
  };
  let found = searchAcquisition({ ...search, ...bounds });
  // A region of a discrete space may have nothing left, or nothing that is allowed.
  if (region !== undefined && (found === undefined || taken(found.point)))
    found = searchAcquisition({ ...search, ...everywhere });
  const explanation = explain(parts, found, region?.length);
  if (found === undefined) return { params: drawParams(space, random, context.constraints), explanation };
  return { params: lattice.encoding.decode(found.point), explanation };
}

/** From so many losses on the fitted noise is believed. */
const fewestForNoise = 20;
/** Share of the variance from which losses count as noisy. */
const noisyFrom = 0.005;
/** Of the prior on the noise: noise that is taken for shape is found out by the next trials, shape that is taken for noise is not. */
const noiseRate = 100;
/** Side of the region where losses are noisy. */
const noisyLength = 0.3;
/** What deviations are multiplied with where losses are noisy: trials spread over the region, instead of one place being averaged. */
const noisyInflation = 3;

const isNoisy = ({ scale, noise }: FitRecord["hyperparameters"], losses: number): boolean =>
  losses >= fewestForNoise && noise > noisyFrom * (scale + noise);

/** The improvement by the probability of being feasible; away from failures; per cost if asked. */
function acquisitionOf(parts: ModelContext): Acquisition {
  const { lattice, context, history, surrogate, constraints, violations, options } = parts;
  const { record } = surrogate;
  const { points, failed, failedCount } = history;
  const anyFeasible = violations.includes(0);
  // Until a trial is feasible, being so is all that counts.
  let acquisition = combined([
    ...(anyFeasible || constraints.length === 0 ? [improvementOf(parts)] : []),
    ...(constraints.length === 0 ? [] : [logFeasibility(constraints)]),
  ]);
  if (failedCount > 0) {
    const { coordinates } = lattice;
    const { hyperparameters } = record;
    acquisition = avoidingFailures(acquisition, { coordinates, hyperparameters, succeeded: points, failed });
  }
  if (options.costAware === undefined) return acquisition;
  return perCost(acquisition, lattice, context.trials, options.costAware);
}

/** The improvement below the lowest mean at a feasible trial, beyond what pending trials may bring. */
function improvementOf({ lattice, context, random, history, surrogate, violations }: ModelContext): Acquisition {
  const model = mayBeWrong(context.trials) ? doubting(surrogate, history, lattice.coordinates) : surrogate.model;
  const { pending, pendingCount } = history;
  const anyFeasible = violations.includes(0);
  const inflation = isNoisy(surrogate.record.hyperparameters, surrogate.targets.length) ? noisyInflation : 1;
  const best = model
    .ownMeans()
    .reduce((least, mean, row) => (anyFeasible && violations[row] !== 0 ? least : Math.min(least, mean)), Infinity);
  return pendingCount === 0
    ? logImprovementBelow(model, best, inflation)
    : logImprovementBeyond(model.extend(pending, pendingCount), pendingCount, best, random.fork("fantasies"), {
        inflation,
      });
}

function violationsOf({ numbers }: History, trials: readonly Trial[]): number[] {
  const byNumber = new Map(trials.map((trial) => [trial.number, trial]));
  return numbers.map((number) => violationOf(byNumber.get(number) as Trial));
}

/** Every so many trials of a search that has settled look elsewhere. */
const DOUBT_EVERY = 5;
/** log of the improvement, in deviations of the losses, below which the model thinks there is all but nothing left to find. */
const SETTLED_BELOW = -6;
/** How many times smaller squared length scales are in doubt. */
const DOUBT = 4;

/** Whether the newest suggestion of the model hoped for next to nothing, and it is time to doubt that. */
function mayBeWrong(trials: readonly Trial[]): boolean {
  if (trials.length % DOUBT_EVERY !== 0) return false;
  const newest = trials.findLast(({ explanation }) => typeof explanation["logImprovement"] === "number");
  return newest !== undefined && (newest.explanation["logImprovement"] as number) < SETTLED_BELOW;
}

/** The model with shorter length scales: far less sure of what lies between the trials. A model that is wrong about them never finds out by itself. */
function doubting(
  { record, targets }: Surrogate,
  { points }: History,
  coordinates: Lattice["coordinates"],
): GaussianProcess {
  const { weights, scale, noise } = record.hyperparameters;
  const shorter = weights.map((weight) => DOUBT * weight);
  return conditionGaussianProcess(coordinates, { weights: shorter, scale, noise }, { points, targets });
}

function explain(
  { history, surrogate, constraints }: ModelContext,
  found: Found | undefined,
  regionLength: number | undefined,
): Explanation {
  const { hyperparameters, power, fitted, loss } = surrogate.record;
  const at = found === undefined ? undefined : surrogate.model.at(found.point);
  return {
    sampler: "gp",
    phase: "model",
    trials: history.losses.length,
    ...(history.pendingCount === 0 ? {} : { pending: history.pendingCount }),
    ...(found === undefined ? {} : { logImprovement: found.value }),
    ...(at === undefined ? {} : { mean: at.mean, deviation: Math.sqrt(at.variance) }),
    ...(regionLength === undefined ? {} : { regionLength }),
    ...explainConstraints(constraints),
    hyperparameters: [...hyperparameters.weights, hyperparameters.scale, hyperparameters.noise],
    power,
    fitted,
    fitLoss: loss,
  };
}

/** The newest fit that a trial's explanation tells of. */
function recordOf(trials: readonly Trial[], dimensions: number): FitRecord | undefined {
  for (const { explanation } of trials.toReversed()) {
    const { hyperparameters: list, power, fitted, fitLoss } = explanation;
    if (typeof list !== "object" || list.length !== dimensions + 2) continue;
    if (typeof power !== "number" || typeof fitted !== "number" || typeof fitLoss !== "number") continue;
    if (!list.every((value) => Number.isFinite(value) && value > 0)) continue;
    const weights = Float64Array.from(list.slice(0, dimensions));
    const [scale, noise] = list.slice(dimensions) as [number, number];
    return { hyperparameters: { weights, scale, noise }, power, fitted, loss: fitLoss };
  }
  return undefined;
}

/** Trials under way keep at least this distance on some coordinate, whatever the model says. */
const LEAST_DISTANCE = 1e-3;

/** Whether a point was tried before, or is all but that of a trial under way. */
function takenIn(history: History, lattice: Lattice): (point: Float64Array) => boolean {
  const { dimensions } = lattice.coordinates;
  const { points, losses, pending, pendingCount, failed, failedCount } = history;
  const rowsOf = (rows: Float64Array, count: number): Float64Array[] =>
    Array.from({ length: count }, (_, row) => rows.subarray(row * dimensions, (row + 1) * dimensions));
  const tried = [...rowsOf(points, losses.length), ...rowsOf(failed, failedCount)];
  const open = rowsOf(pending, pendingCount);
  const keys = new Set(tried.map((point) => point.join(",")));
  return (point) =>
    open.some((other) => point.every((value, k) => Math.abs(value - (other[k] as number)) < LEAST_DISTANCE)) ||
    keys.has(point.join(","));
}
