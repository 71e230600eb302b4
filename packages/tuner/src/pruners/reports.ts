import type { Direction, Trial } from "../trial.ts";

/** The newest report of a trial, if it has any. */
export const lastReport = ({ intermediates }: Trial): readonly [step: number, value: number] | undefined =>
  intermediates.at(-1);

/** What was reported at exactly this step. */
export const valueAt = ({ intermediates }: Trial, step: number): number | undefined =>
  intermediates.find(([at]) => at === step)?.[1];

/** 1 where smaller is better, −1 where larger is: `sign × value` is to be small. */
export const signOf = (direction: Direction): 1 | -1 => (direction === "minimize" ? 1 : -1);

/** Whether `step` is the first reported one of its interval; intervals begin at `warmupSteps`. */
export function isFirstInInterval(trial: Trial, step: number, warmupSteps: number, intervalSteps: number): boolean {
  const start = Math.floor((step - warmupSteps) / intervalSteps) * intervalSteps + warmupSteps;
  const previous = trial.intermediates.reduce((last, [at]) => (at !== step && at > last ? at : last), -1);
  return previous < start;
}

/** The best of the values that are no NaN; NaN where there is none. */
export function bestOf(values: readonly number[], direction: Direction): number {
  const known = values.filter((value) => !Number.isNaN(value));
  if (known.length === 0) return Number.NaN;
  const sign = signOf(direction);
  return known.reduce((best, value) => (sign * value < sign * best ? value : best));
}

/** Linear interpolation between order statistics (type 7 of Hyndman and Fan, 1996), NaN left out; NaN of none. @param percentile In [0, 100]. */
export function percentileOf(values: readonly number[], percentile: number): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).toSorted((a, b) => a - b);
  if (sorted.length === 0) return Number.NaN;
  const rank = (percentile / 100) * (sorted.length - 1);
  const low = sorted[Math.floor(rank)] as number;
  const high = sorted[Math.ceil(rank)] as number;
  return low === high ? low : low + (high - low) * (rank - Math.floor(rank));
}

/** Throws RangeError unless it is a whole number from `least`. */
export function checkWhole(name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least)
    throw new RangeError(`${name} is ${String(value)}; it must be a whole number from ${least}.`);
}

/** Throws RangeError unless it is a number in [low, high]. */
export function checkNumber(name: string, value: number, low: number, high: number): void {
  if (typeof value !== "number" || !(value >= low && value <= high))
    throw new RangeError(`${name} is ${String(value)}; it must be a number from ${low} to ${high}.`);
}
