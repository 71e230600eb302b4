import type { Direction, PruneContext, Pruner, PruneVerdict, SuggestContext, Trial } from "../trial.ts";
import { hyperbandBracket, hyperbandBudgets } from "./hyperband.ts";
import { checkNumber, checkWhole, lastReport, signOf } from "./reports.ts";

export interface AshaOptions {
  /** R, the steps of a full trial: those that got there are never paused. Steps are counted from 1, or are what was spent so far. */
  readonly maximumResource: number;
  /** r, from 1: steps before rung 0. Default: 1. */
  readonly minimumResource?: number | undefined;
  /** η, from 2: one in so many is promoted. Default: 3. */
  readonly reductionFactor?: number | undefined;
  /** Brackets s = 0, 1, … with the first rung after `r·η^s` steps; trials are shared among them as Hyperband does. From 1. Default: 1. */
  readonly brackets?: number | undefined;
}

interface RungEntry {
  readonly trial: Trial;
  readonly value: number;
}

interface Rung {
  /** The best first. */
  readonly entries: readonly RungEntry[];
  /** The step of the rung above, where trials pause too; `Infinity` for the highest. */
  readonly next: number;
}

/**
 * Asynchronous successive halving with promotion: a trial pauses at each rung, after `r·η^(s+k)` steps, and the same trial goes on from its checkpoint once it is among the
 * best ⌊n/η⌋ of the n trials at that rung. Before a new trial is begun, the rungs are looked through from the top for one to promote. L. Li et al., A System for
 * Massively Parallel Hyperparameter Tuning, MLSys 2020, Algorithm 2.
 *
 * The objective reports a checkpoint with the rung's step, returns when told to pause, and goes on from `trial.checkpoint` when called again. A trial that would be promoted
 * at once is not paused. Where a study of few trials ends before any was trained to the end, the best at the highest rung is promoted until one is.
 */
export function ashaPruner(options: AshaOptions): Pruner {
  const rules = createRules(options);
  const promote = (context: SuggestContext): number | undefined => {
    const ladders = rules.ladders(context);
    const inLine = fromTheTop(ladders).map((rung) => promotable(rung, rules.reductionFactor));
    return inLine.find((number) => number !== undefined) ?? (isShort(context) ? lastResort(ladders) : undefined);
  };
  const judge = (context: PruneContext): PruneVerdict => {
    const { trial, trials, study } = context;
    const [step, value] = lastReport(trial) ?? [];
    if (step === undefined || value === undefined) return { prune: false };
    const bracket = rules.bracketOf(study, trial.number);
    const steps = rules.stepsOf(bracket);
    const before = Math.max(trial.intermediates.at(-2)?.[0] ?? -Infinity, pausedAt(trial));
    const rung = steps.findLastIndex((at) => step >= at);
    // At R, in between two rungs, or at one that it was promoted from before.
    if (step >= options.maximumResource || rung < 0 || before >= (steps[rung] as number)) return { prune: false };
    const paused: Trial = { ...trial, state: "paused" };
    const seen = { ...context, trials: trials.map((other) => (other.number === trial.number ? paused : other)) };
    if (promote(seen) === trial.number) return { prune: false };
    const entries = rules.ladders(seen)[bracket]?.[rung]?.entries ?? [];
    const rank = entries.findIndex((entry) => entry.trial.number === trial.number) + 1;
    const passing = Math.floor(entries.length / rules.reductionFactor);
    const numbers = { rungStep: steps[rung] as number, step, value, rank, passing, peers: entries.length };
    return {
      prune: false,
      pause: true,
      reason: `at rung ${rung} it is number ${rank} of ${entries.length}, of which ${passing} go on`,
      explanation: { rule: "asha", bracket, rung, ...numbers },
    };
  };
  return { name: "asha", judge, promote };
}

interface AshaRules {
  readonly reductionFactor: number;
  bracketOf(study: string | undefined, trial: number): number;
  /** Steps of the rungs at which the trials of a bracket pause; R is not among them. */
  stepsOf(bracket: number): readonly number[];
  /** By bracket, from the lowest rung up. */
  ladders(context: SuggestContext): readonly (readonly Rung[])[];
}

/** Throws RangeError. */
function createRules(options: AshaOptions): AshaRules {
  const { maximumResource, minimumResource = 1, reductionFactor = 3, brackets = 1 } = options;
  checkNumber("minimumResource", minimumResource, 1, Number.MAX_VALUE);
  checkNumber("maximumResource", maximumResource, minimumResource, Number.MAX_VALUE);
  checkWhole("reductionFactor", reductionFactor, 2);
  checkWhole("brackets", brackets, 1);
  const budgets = hyperbandBudgets(maximumResource, { minimumResource, reductionFactor });
  if (brackets > budgets.length)
    throw new RangeError(`brackets is ${brackets}; R/r and η allow at most ${budgets.length}.`);
  const shares = budgets.slice(0, brackets);
  const allSteps = budgets.map((_, index) => minimumResource * reductionFactor ** index);
  const bracketOf = (study: string | undefined, trial: number): number =>
    brackets === 1 ? 0 : hyperbandBracket(study ?? "", trial, shares);
  const stepsOf = (bracket: number): readonly number[] => allSteps.slice(bracket, -1);
  return {
    reductionFactor,
    bracketOf,
    stepsOf,
    ladders: ({ trials, study, direction }) =>
      shares.map((_, bracket) =>
        ladderOf(
          trials.filter(({ number }) => bracketOf(study, number) === bracket),
          stepsOf(bracket),
          direction,
        ),
      ),
  };
}

/** The highest rung of each bracket, then the second highest, and so on. */
function fromTheTop(ladders: readonly (readonly Rung[])[]): readonly Rung[] {
  const highest = Math.max(...ladders.map((ladder) => ladder.length));
  return Array.from({ length: highest }, (_, down) => ladders.flatMap((ladder) => ladder.at(-1 - down) ?? [])).flat();
}

/** The step of the rung a trial was last paused at: a trial that begins anew for want of a checkpoint does not pause there again. */
function pausedAt({ verdict }: Trial): number {
  const step = verdict?.["rule"] === "asha" ? verdict["rungStep"] : undefined;
  return typeof step === "number" ? step : -Infinity;
}

/** Who got to each rung, the best first; NaN is the worst, and of equals the earlier trial is better. */
function ladderOf(trials: readonly Trial[], steps: readonly number[], direction: Direction): readonly Rung[] {
  const sign = signOf(direction);
  const score = ({ value }: RungEntry): number => (Number.isNaN(value) ? Infinity : sign * value);
  return steps.map((step, index) => ({
    next: steps[index + 1] ?? Infinity,
    entries: trials
      .flatMap((trial): readonly RungEntry[] => {
        const reached = trial.intermediates.find(([at]) => at >= step);
        return reached === undefined ? [] : [{ trial, value: reached[1] }];
      })
      .toSorted((a, b) => (score(a) === score(b) ? 0 : score(a) - score(b)) || a.trial.number - b.trial.number),
  }));
}

/** The best trial that is paused at this rung and among the best ⌊n/η⌋. */
function promotable({ entries, next }: Rung, reductionFactor: number): number | undefined {
  return entries
    .slice(0, Math.floor(entries.length / reductionFactor))
    .find(({ trial, value }) => isPausedBelow(trial, next) && !Number.isNaN(value))?.trial.number;
}

const isPausedBelow = (trial: Trial, step: number): boolean =>
  trial.state === "paused" && (lastReport(trial)?.[0] ?? -Infinity) < step;

/** Whether all trials that were asked for have begun, none is under way, and none completed. */
function isShort({ trials, plannedTrials }: SuggestContext): boolean {
  return (
    plannedTrials !== undefined &&
    trials.filter(({ attempts }) => attempts > 0).length >= plannedTrials &&
    !trials.some(({ state }) => state === "completed" || state === "running" || state === "waiting")
  );
}

/** The best that is paused at the highest rung. */
function lastResort(ladders: readonly (readonly Rung[])[]): number | undefined {
  const paused = fromTheTop(ladders).map(({ entries }) =>
    entries.find(({ trial, value }) => trial.state === "paused" && !Number.isNaN(value)),
  );
  return paused.find((entry) => entry !== undefined)?.trial.number;
}
