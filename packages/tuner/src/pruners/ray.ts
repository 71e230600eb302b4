import type { Pruner, PruneVerdict, Trial } from "../trial.ts";
import { bestOf, checkNumber, checkWhole, lastReport, percentileOf, signOf } from "./reports.ts";

export interface RayMedianOptions {
  /** Steps below this are neither judged nor averaged. Default: 0. */
  readonly gracePeriod?: number | undefined;
  /** Other trials that must have got as far, from 1. Default: 3. */
  readonly minimumTrials?: number | undefined;
}

/**
 * Stops a trial whose best value so far is worse than the median, over all other trials that got as far, of the averages of their values from `gracePeriod` up to
 * this step. The rule of Ray Tune's MedianStoppingRule (Golovin et al., Google Vizier, KDD 2017), whose grace period is 60 s where ours counts steps.
 */
export function rayMedianPruner({ gracePeriod = 0, minimumTrials = 3 }: RayMedianOptions = {}): Pruner {
  checkNumber("gracePeriod", gracePeriod, 0, Infinity);
  checkWhole("minimumTrials", minimumTrials, 1);
  return {
    name: "ray-median",
    judge({ trial, trials, direction }) {
      const [step] = lastReport(trial) ?? [];
      if (step === undefined || step < gracePeriod) return { prune: false };
      const averages = trials
        .filter((peer) => peer.number !== trial.number && (lastReport(peer)?.[0] ?? -Infinity) >= step)
        .map((peer) => averageWithin(peer, gracePeriod, step))
        .filter((average) => !Number.isNaN(average));
      if (averages.length < minimumTrials) return { prune: false };
      const bound = percentileOf(averages, 50);
      const best = bestOf(
        trial.intermediates.map(([, value]) => value),
        direction,
      );
      const sign = signOf(direction);
      if (sign * best <= sign * bound) return { prune: false };
      return {
        prune: true,
        reason: `its best value up to step ${step}, ${best}, is worse than ${bound}, the median of ${averages.length} running averages`,
        explanation: { rule: "ray-median", step, best, bound, peers: averages.length },
      };
    },
  };
}

/** NaN where nothing was reported in [low, high]. */
function averageWithin({ intermediates }: Trial, low: number, high: number): number {
  const values = intermediates.filter(([at]) => at >= low && at <= high).map(([, value]) => value);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export interface RayAshaOptions {
  /** A trial is stopped when it got here, from 1. Default: 100. */
  readonly maximumResource?: number | undefined;
  /** The first milestone, from 1. Default: 1. */
  readonly gracePeriod?: number | undefined;
  /** Above 1: about one in so many passes a milestone. Default: 4. */
  readonly reductionFactor?: number | undefined;
}

/**
 * Ray Tune's variant of asynchronous successive halving (ASHAScheduler with one bracket), which stops instead of pausing: at each milestone `gracePeriod·η^k` below
 * `maximumResource` a trial goes on if it is no worse than the (1 − 1/η) quantile of what came there before; the first always does. At `maximumResource` every
 * trial is stopped, as Ray's `stop_last_trials` does. Where values may be paused and gone on with, `ashaPruner` wastes less.
 */
export function rayAshaPruner(options: RayAshaOptions = {}): Pruner {
  const { maximumResource = 100, gracePeriod = 1, reductionFactor = 4 } = options;
  checkNumber("gracePeriod", gracePeriod, 1, Infinity);
  checkNumber("maximumResource", maximumResource, gracePeriod, Number.MAX_VALUE);
  if (!(reductionFactor > 1)) throw new RangeError(`reductionFactor is ${reductionFactor}; it must be above 1.`);
  const milestones = [gracePeriod];
  while ((milestones[0] as number) * reductionFactor <= maximumResource)
    milestones.unshift((milestones[0] as number) * reductionFactor);
  return {
    name: "ray-asha",
    judge({ trial, trials, direction }): PruneVerdict {
      const [step, value] = lastReport(trial) ?? [];
      if (step === undefined || value === undefined) return { prune: false };
      if (step >= maximumResource)
        return {
          prune: true,
          reason: `it has had all of its ${maximumResource} steps`,
          explanation: { rule: "ray-asha", step, maximumResource },
        };
      const milestone = milestonesOf(trial, milestones, maximumResource).find(([, at]) => at === step)?.[0];
      if (milestone === undefined) return { prune: false };
      const recorded = trials
        .filter(({ number }) => number !== trial.number)
        .flatMap((peer) =>
          milestonesOf(peer, milestones, maximumResource).flatMap(([at, , seen]) => (at === milestone ? [seen] : [])),
        );
      const sign = signOf(direction);
      const bound =
        -sign *
        percentileOf(
          recorded.map((seen) => -sign * seen),
          (1 - 1 / reductionFactor) * 100,
        );
      if (recorded.length === 0 || !(sign * value > sign * bound)) return { prune: false };
      return {
        prune: true,
        reason: `its value at milestone ${milestone}, ${value}, is worse than ${bound}, the cutoff of ${recorded.length} trials`,
        explanation: { rule: "ray-asha", milestone, step, value, bound, peers: recorded.length },
      };
    },
  };
}

/** What a trial recorded: each report goes to the highest milestone it has reached that has no record yet. */
function milestonesOf(
  { intermediates }: Trial,
  milestones: readonly number[],
  maximumResource: number,
): readonly (readonly [milestone: number, step: number, value: number])[] {
  const records = new Map<number, readonly [number, number, number]>();
  for (const [step, value] of intermediates) {
    // What comes at the end is stopped before any milestone is looked at.
    if (step >= maximumResource) break;
    const milestone = milestones.find((at) => step >= at && !records.has(at));
    if (milestone !== undefined) records.set(milestone, [milestone, step, value]);
  }
  return [...records.values()];
}
