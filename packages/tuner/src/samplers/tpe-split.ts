import { bestByHypervolume } from "../multi/motpe.ts";
import { lossesOf } from "../multi/front.ts";
import { lossOf, violationOf } from "../outcome.ts";
import type { Direction, Trial } from "../trial.ts";

/** How many of `finished` trials count as good: min(⌈0.1 n⌉, 25). */
export const goodTrials = (finished: number): number => Math.min(Math.ceil(0.1 * finished), 25);

/** The same with several objectives: ⌈0.1 n⌉. */
export const goodTrialsOfMany = (finished: number): number => Math.ceil(0.1 * finished);

/** Weights by age, oldest first: all 1 below 25 trials; else a ramp from 1/n to 1 over the oldest n − 25, and 1 for the last 25. */
export function trialWeights(count: number): number[] {
  const weights = new Array<number>(count).fill(1);
  const ramped = count - 25;
  for (let index = 0; index < ramped; index += 1)
    weights[index] = 1 / count + (1 - 1 / count) * (ramped === 1 ? 0 : index / (ramped - 1));
  return weights;
}

const isStopped = ({ state }: Trial): boolean => state === "pruned" || state === "paused";

/** Whether the trial has a result: completed, or stopped before its end. */
export const isFinished = (trial: Trial): boolean => trial.state === "completed" || isStopped(trial);

/**
 * Which trials are the `gamma(finished)` best, as Optuna ranks them: feasible completed ones by their value, or with several objectives by front and
 * hypervolume; then the feasible pruned (and paused) ones, those first that got furthest, of equals by their last value; then the infeasible ones by
 * what they violate in sum. Running ones are never good.
 * @returns 1 for the good ones, in the order of `trials`.
 */
export function goodMask(
  trials: readonly Trial[],
  directions: readonly Direction[],
  gamma: (finished: number) => number,
): Uint8Array {
  const completed: number[] = [];
  const stopped: number[] = [];
  const infeasible: number[] = [];
  for (let index = 0; index < trials.length; index += 1) {
    const trial = trials[index] as Trial;
    if (!isFinished(trial)) continue;
    if (trial.constraintValues !== undefined && violationOf(trial) > 0) infeasible.push(index);
    else if (trial.state === "completed") completed.push(index);
    else stopped.push(index);
  }
  const wanted = Math.max(0, gamma(completed.length + stopped.length + infeasible.length));
  const good = new Uint8Array(trials.length);
  const trialAt = (index: number): Trial => trials[index] as Trial;
  let left = wanted - markBest(good, trials, completed, directions, wanted);
  const minimize = (directions[0] ?? "minimize") === "minimize";
  const markFirst = (indices: readonly number[], compare: (a: Trial, b: Trial) => number): void => {
    if (left <= 0 || indices.length === 0) return;
    const first = indices.toSorted((a, b) => compare(trialAt(a), trialAt(b))).slice(0, left);
    for (const index of first) good[index] = 1;
    left -= first.length;
  };
  markFirst(stopped, (a, b) => compareScores(stoppedScore(a, minimize), stoppedScore(b, minimize)));
  markFirst(infeasible, (a, b) => violationOf(a) - violationOf(b));
  return good;
}

/** @returns how many it marked. */
function markBest(
  good: Uint8Array,
  trials: readonly Trial[],
  completed: readonly number[],
  directions: readonly Direction[],
  wanted: number,
): number {
  if (wanted <= 0) return 0;
  let best: readonly number[] = completed;
  if (wanted < completed.length) {
    const chosen =
      directions.length > 1
        ? bestOfMany(trials, completed, directions, wanted)
        : smallest(trials, completed, directions[0] ?? "minimize", wanted);
    best = chosen.map((position) => completed[position] as number);
  }
  for (const index of best) good[index] = 1;
  return best.length;
}

function bestOfMany(
  trials: readonly Trial[],
  completed: readonly number[],
  directions: readonly Direction[],
  wanted: number,
): readonly number[] {
  const worst = directions.map(() => Infinity);
  const losses = completed.map((index) => lossesOf(trials[index] as Trial, directions) ?? worst);
  return bestByHypervolume(losses, wanted);
}

/** Positions of the `wanted` smallest losses, of equal ones the earlier; by insertion into those found so far. */
function smallest(
  trials: readonly Trial[],
  completed: readonly number[],
  direction: Direction,
  wanted: number,
): readonly number[] {
  const losses = new Float64Array(wanted);
  const positions: number[] = [];
  for (let position = 0; position < completed.length; position += 1) {
    const loss = lossOf(trials[completed[position] as number] as Trial, direction) ?? Infinity;
    if (positions.length === wanted && !(loss < (losses[wanted - 1] as number))) continue;
    let place = Math.min(positions.length, wanted - 1);
    while (place > 0 && (losses[place - 1] as number) > loss) {
      losses[place] = losses[place - 1] as number;
      positions[place] = positions[place - 1] as number;
      place -= 1;
    }
    losses[place] = loss;
    positions[place] = position;
  }
  return positions;
}

function stoppedScore(trial: Trial, minimize: boolean): readonly [number, number] {
  let last: readonly [step: number, value: number] | undefined;
  for (const report of trial.intermediates) if (last === undefined || report[0] >= last[0]) last = report;
  if (last === undefined) return [1, 0];
  const [step, value] = last;
  return [-step, Number.isNaN(value) ? Infinity : minimize ? value : -value];
}

const compareScores = ([a, b]: readonly [number, number], [c, d]: readonly [number, number]): number =>
  a === c ? (b < d ? -1 : b > d ? 1 : 0) : a - c;
