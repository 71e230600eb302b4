import { isFeasible } from "../outcome.ts";
import type { Direction, Trial } from "../trial.ts";
import { type Losses, nonDominationRanks } from "./domination.ts";
import { hypervolume } from "./hypervolume.ts";

/** A trial's objectives, each so that less is better; NaN as the worst. `undefined` where it has not one for each direction. */
export function lossesOf({ values, value }: Trial, directions: readonly Direction[]): number[] | undefined {
  const known = values ?? (value === undefined ? [] : [value]);
  if (known.length !== directions.length) return undefined;
  return known.map((entry, objective) =>
    Number.isNaN(entry) ? Infinity : directions[objective] === "maximize" ? -entry : entry,
  );
}

interface Measured {
  readonly trial: Trial;
  readonly losses: readonly number[];
}

/** Completed trials with all their objectives, by number. */
export function measuredTrials(trials: readonly Trial[], directions: readonly Direction[]): Measured[] {
  return trials.flatMap((trial) => {
    const losses = trial.state === "completed" ? lossesOf(trial, directions) : undefined;
    return losses === undefined ? [] : [{ trial, losses }];
  });
}

/** The completed, feasible trials that no other of them dominates, by number; of equal ones all. */
export function paretoFront(trials: readonly Trial[], directions: readonly Direction[]): readonly Trial[] {
  const feasible = measuredTrials(trials, directions).filter(({ trial }) => isFeasible(trial));
  const ranks = nonDominationRanks(feasible.map(({ losses }) => losses));
  return feasible
    .filter((_, index) => ranks[index] === 0)
    .map(({ trial }) => trial)
    .toSorted((a, b) => a.number - b.number);
}

/** Moves and scales the losses of a front so that the best of each objective is 0 and the worst 1. */
function scaled(front: readonly Losses[]): number[][] {
  const objectives = front[0]?.length ?? 0;
  const ends = Array.from({ length: objectives }, (_, objective) => {
    const losses = front.map((point) => point[objective] as number);
    return { low: Math.min(...losses), range: Math.max(...losses) - Math.min(...losses) };
  });
  return front.map((point) =>
    ends.map(({ low, range }, objective) => (range > 0 ? ((point[objective] as number) - low) / range : 0)),
  );
}

/** Share of the weighted sum beside the worst weighted loss, so that of two points with the same worst loss the better one counts. */
const augmentation = 0.05;

/**
 * The trial of the front that serves these preferences best: the smallest augmented Tchebycheff value, max wᵢ fᵢ + 0.05 Σ wᵢ fᵢ, of objectives scaled to
 * [0, 1] over the front. Steuer and Choo 1983, Mathematical Programming 26. Any trial of the front is the best for some weights, also where the front is
 * concave.
 * @param weights One per objective, from 0, not all 0; only their ratios count.
 */
export function bestCompromise(
  trials: readonly Trial[],
  directions: readonly Direction[],
  weights: readonly number[],
): Trial | undefined {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  if (weights.length !== directions.length || !weights.every((weight) => weight >= 0) || !(sum > 0 && sum < Infinity))
    throw new RangeError(
      `Preferences are ${directions.length} weights from 0, one per objective and not all 0, not ${weights.join(", ")}.`,
    );
  return smallest(trials, directions, (point) =>
    tchebycheff(
      point,
      weights.map((weight) => weight / sum),
    ),
  );
}

/** Augmented Tchebycheff value of losses on the scale [0, 1]. */
export function tchebycheff(point: Losses, weights: readonly number[]): number {
  let worst = -Infinity;
  let total = 0;
  for (const [objective, weight] of weights.entries()) {
    const part = weight * (point[objective] as number);
    worst = Math.max(worst, part);
    total += part;
  }
  return worst + augmentation * total;
}

/**
 * The front's knee: the trial that bulges furthest from the plane through the ends of the front, where a little more of one objective costs much of another.
 * Das 1999, Structural Optimization 18; objectives scaled to [0, 1] over the front.
 */
export function kneePoint(trials: readonly Trial[], directions: readonly Direction[]): Trial | undefined {
  return smallest(trials, directions, (point) => point.reduce((sum, loss) => sum + loss, 0));
}

function smallest(
  trials: readonly Trial[],
  directions: readonly Direction[],
  cost: (point: readonly number[]) => number,
): Trial | undefined {
  const front = paretoFront(trials, directions);
  const costs = scaled(front.map((trial) => lossesOf(trial, directions) as number[])).map(cost);
  let best = 0;
  for (const [index, value] of costs.entries()) if (value < (costs[best] as number)) best = index;
  return front[best];
}

/** After each completed trial the hypervolume that the feasible ones so far dominate, to plot. */
export interface HypervolumePoint {
  readonly number: number;
  readonly hypervolume: number;
}

/**
 * How the dominated hypervolume grew, trial by trial, in the order of their numbers.
 * @param reference One value per objective, in its own direction: the worst that is of interest. Beyond it nothing counts.
 */
export function hypervolumeHistory(
  trials: readonly Trial[],
  directions: readonly Direction[],
  reference: readonly number[],
): readonly HypervolumePoint[] {
  const bound = referenceLosses(reference, directions);
  let front: (readonly number[])[] = [];
  let volume = 0;
  return measuredTrials(trials, directions)
    .toSorted((a, b) => a.trial.number - b.trial.number)
    .map(({ trial, losses }) => {
      const beyond = losses.some((loss, objective) => loss >= (bound[objective] as number));
      if (isFeasible(trial) && !beyond && !front.some((other) => covers(other, losses))) {
        front = [...front.filter((other) => !covers(losses, other)), losses];
        volume = hypervolume(front, bound);
      }
      return { number: trial.number, hypervolume: volume };
    });
}

const covers = (a: readonly number[], b: readonly number[]): boolean =>
  a.every((loss, objective) => loss <= (b[objective] as number));

/** A reference point in the objectives' own directions, as losses. */
export function referenceLosses(reference: readonly number[], directions: readonly Direction[]): number[] {
  if (reference.length !== directions.length || !reference.every((value) => Number.isFinite(value)))
    throw new RangeError(
      `A reference point is ${directions.length} finite numbers, one per objective, not ${reference.join(", ")}.`,
    );
  return reference.map((value, objective) => (directions[objective] === "maximize" ? -value : value));
}
