import type { Random } from "@millwright/contracts";
import { type Acquisition, logImprovementBelow, logImprovementBeyond } from "../gp/acquisition.ts";
import type { Coordinates } from "../gp/kernel.ts";
import { type FitRecord, type Surrogate, surrogateOf } from "../gp/surrogate.ts";
import type { Explanation, Trial } from "../trial.ts";
import { frontIndices } from "./domination.ts";
import { logHypervolumeImprovement, logHypervolumeImprovementBeyond } from "./expected-hypervolume.ts";
import { tchebycheff } from "./front.ts";
import type { Observations } from "./observations.ts";

/** What the next point is to improve. */
export interface Objective {
  readonly kind: "hypervolume" | "scalarised" | "improvement";
  readonly acquisition: Acquisition;
  readonly surrogates: readonly Surrogate[];
  /** Rows of the observations on the front. */
  readonly front: readonly number[];
}

export interface ObjectiveOptions {
  readonly coordinates: Coordinates;
  readonly trials: readonly Trial[];
  readonly observations: Observations;
  /** Losses; `undefined` for one by the front. */
  readonly reference: readonly number[] | undefined;
  readonly random: Random;
}

/** Beyond, the boxes of the exact improvement are too many, and one random scalarisation a trial takes its place. */
const mostObjectives = 4;
/** With so many objectives the boxes are few only as long as the front is. */
const mostOnFront = 40;

/** `undefined` where no trial is feasible yet. */
export function objectiveOf(options: ObjectiveOptions): Objective | undefined {
  const { losses, feasible } = options.observations;
  const rows = [...losses.keys()].filter((row) => feasible[row] === true);
  if (rows.length === 0) return undefined;
  const front = frontIndices(rows.map((row) => losses[row] as readonly number[])).map((index) => rows[index] as number);
  const objectives = losses[0]?.length ?? 1;
  const tooMany = objectives > mostObjectives || (objectives === mostObjectives && front.length > mostOnFront);
  return objectives === 1 || tooMany
    ? improvement(options, objectives, rows, front)
    : hypervolumeGain(options, objectives, front);
}

/** The expected improvement of one objective, or of one random scalarisation of many. */
function improvement(
  { coordinates, trials, observations, random }: ObjectiveOptions,
  objectives: number,
  rows: readonly number[],
  front: readonly number[],
): Objective {
  const { losses, points, pending } = observations;
  const surrogate = surrogateOf({
    coordinates,
    points,
    deterministic: false,
    warp: true,
    losses: scalarised(losses, front, objectives, random.fork("weights")),
    record: objectives === 1 ? fitOf(trials, "fit0", coordinates.dimensions) : undefined,
  });
  const { model, targets } = surrogate;
  const best = rows.reduce((least, row) => Math.min(least, targets[row] as number), Infinity);
  const acquisition =
    pending.count === 0
      ? logImprovementBelow(model, best)
      : logImprovementBeyond(
          model.extend(pending.points, pending.count),
          pending.count,
          best,
          random.fork("fantasies"),
        );
  return { kind: objectives === 1 ? "improvement" : "scalarised", acquisition, surrogates: [surrogate], front };
}

function hypervolumeGain(options: ObjectiveOptions, objectives: number, front: readonly number[]): Objective {
  const { coordinates, trials, observations, random } = options;
  const { losses, points, pending } = observations;
  // Without a warp, as the volume is measured in the objectives themselves.
  const surrogates = Array.from({ length: objectives }, (_, objective) =>
    surrogateOf({
      coordinates,
      points,
      deterministic: false,
      warp: false,
      losses: Float64Array.from(losses, (row) => row[objective] as number),
      record: fitOf(trials, `fit${objective}`, coordinates.dimensions),
    }),
  );
  const models = surrogates.map(({ model }) => model);
  const known = front.map((row) => surrogates.map(({ targets }) => targets[row] as number));
  const reference = referenceOf(options, surrogates, known);
  const acquisition =
    pending.count === 0
      ? logHypervolumeImprovement(models, known, reference)
      : logHypervolumeImprovementBeyond(models, known, reference, pending, random.fork("fantasies"));
  return { kind: "hypervolume", acquisition, surrogates, front };
}

/** Losses scaled to [0, 1] over the front, then one augmented Tchebycheff value by random weights (Knowles 2006, equation 2). */
function scalarised(
  losses: readonly (readonly number[])[],
  front: readonly number[],
  objectives: number,
  random: Random,
): Float64Array {
  if (objectives === 1) return Float64Array.from(losses, (row) => row[0] as number);
  const weights = Array.from({ length: objectives }, () => -Math.log(1 - random.next()));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const shares = weights.map((weight) => weight / sum);
  const ends = shares.map((_, objective) => {
    const known = front.map((row) => losses[row]?.[objective] as number);
    const low = Math.min(...known);
    return { low, range: Math.max(...known) - low || 1 };
  });
  return Float64Array.from(losses, (row) =>
    tchebycheff(
      ends.map(({ low, range }, objective) => ((row[objective] as number) - low) / range),
      shares,
    ),
  );
}

/**
 * Where the hypervolume is measured from, in targets: the given point; else by turns a tenth of the front's extent short of its worst, which fills its
 * middle, and a fifth beyond, which stretches its ends.
 */
function referenceOf(
  { reference, observations: { losses } }: ObjectiveOptions,
  surrogates: readonly Surrogate[],
  front: readonly (readonly number[])[],
): number[] {
  const stretch = losses.length % 2 === 0 ? 0.2 : -0.1;
  return surrogates.map(({ targets }, objective) => {
    const known = front.map((point) => point[objective] as number);
    const best = Math.min(...known);
    if (reference !== undefined) {
      const values = losses.map((row) => row[objective] as number);
      return Math.max(targetOf(values, targets, reference[objective] as number), best + 1e-9);
    }
    const extent = Math.max(...known) - best;
    // A front of one point has no extent: then that of all trials counts.
    if (extent > 1e-9) return best + (1 + stretch) * extent;
    return best + Math.max(targets.reduce((worst, target) => Math.max(worst, target), best) - best, 1e-3);
  });
}

/** Targets are losses moved and scaled, but for cut extremes. */
function targetOf(losses: readonly number[], targets: Float64Array, loss: number): number {
  const order = [...losses.keys()].toSorted((a, b) => (losses[a] as number) - (losses[b] as number));
  const most = targets.reduce((worst, target) => Math.max(worst, target), -Infinity);
  const low = order[0] as number;
  const high = order.findLast((row) => (targets[row] as number) < most) ?? low;
  const range = (losses[high] as number) - (losses[low] as number);
  if (!(range > 0)) return (targets[low] as number) + 1e-3;
  const slope = ((targets[high] as number) - (targets[low] as number)) / range;
  return (targets[low] as number) + slope * (loss - (losses[low] as number));
}

/** The fits, to begin from in the next suggestion; those of random scalarisations serve no other. */
export function explainFits({ kind, surrogates }: Objective): Explanation {
  if (kind === "scalarised") return {};
  return Object.fromEntries(
    surrogates.map(({ record: { hyperparameters, fitted, power, loss } }, position) => [
      `fit${position}`,
      [...hyperparameters.weights, hyperparameters.scale, hyperparameters.noise, fitted, power, loss],
    ]),
  );
}

/** The newest fit that a trial's explanation tells of. */
function fitOf(trials: readonly Trial[], key: string, dimensions: number): FitRecord | undefined {
  const list = trials.findLast(({ explanation }) => explanation[key] !== undefined)?.explanation[key];
  if (typeof list !== "object" || list.length !== dimensions + 5) return undefined;
  if (!list.every((value) => Number.isFinite(value)) || !list.slice(0, -2).every((value) => value > 0))
    return undefined;
  const [scale, noise, fitted, power, loss] = list.slice(dimensions) as [number, number, number, number, number];
  const hyperparameters = { weights: Float64Array.from(list.slice(0, dimensions)), scale, noise };
  return { hyperparameters, fitted, power, loss };
}
