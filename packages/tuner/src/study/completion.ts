import type { Direction, Trial } from "../trial.ts";

/** When a study is done. Every criterion is read off the study's journal, so that it holds for all workers and after a restart; the first that is met counts. */
export interface StopWhen {
  /** Trials of the whole study; as `trials` of `optimize`. From 0. */
  readonly maxTrials?: number | undefined;
  /** Milliseconds in which at least one trial ran, those before a restart included, the time between them not. From 0. */
  readonly maxRuntimeMs?: number | undefined;
  /** Trials in a row, in the order they ended, that completed or were pruned without a better value. From 1. */
  readonly maxNotImproving?: number | undefined;
  /** A trial completed with this value or a better one. */
  readonly targetObjective?: number | undefined;
  /** The search is unlikely to improve much further. `true`: by the defaults. */
  readonly completeOnConvergence?: boolean | Convergence | undefined;
}

/**
 * Where none of the last w completed trials improved the best value by more than `improvement`, the chance that the next one does is below `chance` with
 * `confidence`, w = ⌈ln(1 − confidence) / ln(1 − chance)⌉: the exact one-sided bound of a binomial proportion without a success (Clopper and Pearson, 1934).
 */
export interface Convergence {
  /** As a share of the best value's size. Default: 0.01. */
  readonly improvement?: number | undefined;
  /** Of one more trial. In (0, 1). Default: 0.1. */
  readonly chance?: number | undefined;
  /** In (0, 1). Default: 0.95. */
  readonly confidence?: number | undefined;
}

export type Completion = "trials" | "runtime" | "not-improving" | "target" | "convergence";

/** Why a study is done. */
export interface CompletionReason {
  readonly stopped: Completion;
  /** A sentence with the numbers. */
  readonly reason: string;
}

/** What the criteria are read off; `ended` is asked for where a criterion needs it. */
export interface CompletionFacts {
  readonly direction: Direction;
  /** Trials ever begun. */
  readonly begun: number;
  /** In the order they ended. */
  readonly ended: readonly Trial[];
  readonly runtimeMs: number;
}

/** The criterion that is met, if one is. */
export function completionOf(stopWhen: StopWhen, facts: CompletionFacts): CompletionReason | undefined {
  const { maxTrials, maxRuntimeMs, targetObjective, maxNotImproving, completeOnConvergence } = stopWhen;
  const needsTrials = [targetObjective, maxNotImproving, completeOnConvergence].some((one) => one !== undefined);
  return (
    (needsTrials ? ofTrials(stopWhen, { ...facts, ended: facts.ended }) : undefined) ??
    (maxTrials !== undefined && facts.begun >= maxTrials
      ? { stopped: "trials", reason: `All ${maxTrials} trials were begun.` }
      : undefined) ??
    (maxRuntimeMs !== undefined && facts.runtimeMs >= maxRuntimeMs
      ? { stopped: "runtime", reason: `Trials ran for ${facts.runtimeMs} ms; the limit is ${maxRuntimeMs} ms.` }
      : undefined)
  );
}

const ofTrials = (stopWhen: StopWhen, facts: CompletionFacts): CompletionReason | undefined =>
  targetReached(stopWhen, facts) ?? notImproving(stopWhen, facts) ?? converged(stopWhen, facts);

const gainOf = (direction: Direction, from: number, to: number): number =>
  direction === "minimize" ? from - to : to - from;

/** Repeated evaluations are not searched; what breaks a constraint is no answer. */
const valueOf = ({ state, value, repeatOf, constraintValues }: Trial): number | undefined =>
  state === "completed" && repeatOf === undefined && (constraintValues ?? []).every((measured) => measured <= 0)
    ? value
    : undefined;

function targetReached({ targetObjective: target }: StopWhen, facts: CompletionFacts): CompletionReason | undefined {
  if (target === undefined) return undefined;
  const hit = facts.ended.find((trial) => {
    const value = valueOf(trial);
    return value !== undefined && gainOf(facts.direction, target, value) >= 0;
  });
  if (hit === undefined) return undefined;
  return { stopped: "target", reason: `Trial ${hit.number} gave ${hit.value}; the target is ${target}.` };
}

function notImproving({ maxNotImproving: most }: StopWhen, facts: CompletionFacts): CompletionReason | undefined {
  if (most === undefined) return undefined;
  let best: number | undefined;
  let inARow = 0;
  for (const trial of facts.ended) {
    if (trial.repeatOf !== undefined || (trial.state !== "completed" && trial.state !== "pruned")) continue;
    const value = valueOf(trial);
    if (value !== undefined && (best === undefined || gainOf(facts.direction, best, value) > 0)) {
      best = value;
      inARow = 0;
    } else inARow += 1;
    if (best !== undefined && inARow >= most)
      return { stopped: "not-improving", reason: `${inARow} trials in a row did not improve on ${best}.` };
  }
  return undefined;
}

function converged({ completeOnConvergence: wanted }: StopWhen, facts: CompletionFacts): CompletionReason | undefined {
  if (wanted === undefined || wanted === false) return undefined;
  const { improvement = 0.01, chance = 0.1, confidence = 0.95 } = wanted === true ? {} : wanted;
  const window = Math.ceil(Math.log(1 - confidence) / Math.log(1 - chance));
  let reference: number | undefined;
  let best: number | undefined;
  let without = 0;
  for (const trial of facts.ended) {
    const value = valueOf(trial);
    if (value === undefined) continue;
    if (best === undefined || gainOf(facts.direction, best, value) > 0) best = value;
    // Many small steps are an improvement once they add up to one.
    if (reference === undefined || gainOf(facts.direction, reference, best) > improvement * Math.abs(reference)) {
      reference = best;
      without = 0;
    } else without += 1;
    if (without >= window)
      return {
        stopped: "convergence",
        reason: `${without} trials did not improve ${reference} by ${100 * improvement} %: the next does with a chance below ${100 * chance} %.`,
      };
  }
  return undefined;
}

/** Throws RangeError for criteria that no study can keep to. */
export function checkStopWhen(stopWhen: StopWhen | undefined, objectives: number): void {
  if (stopWhen === undefined) return;
  if (typeof stopWhen !== "object" || stopWhen === null) throw new TypeError("stopWhen must be an object of criteria.");
  const { maxTrials = 0, maxRuntimeMs = 0, maxNotImproving = 1, targetObjective = 0, completeOnConvergence } = stopWhen;
  const atLeast = (name: string, value: number, least: number): void => {
    if (typeof value !== "number" || !(value >= least))
      throw new RangeError(`stopWhen.${name} is ${String(value)}; it must be a number from ${least}.`);
  };
  atLeast("maxTrials", maxTrials, 0);
  atLeast("maxRuntimeMs", maxRuntimeMs, 0);
  atLeast("maxNotImproving", maxNotImproving, 1);
  if (typeof targetObjective !== "number" || Number.isNaN(targetObjective))
    throw new RangeError(`stopWhen.targetObjective is ${String(targetObjective)}; it must be a number.`);
  if (typeof completeOnConvergence === "object") checkConvergence(completeOnConvergence);
  const single = [stopWhen.maxNotImproving, stopWhen.targetObjective, stopWhen.completeOnConvergence || undefined];
  if (objectives > 1 && single.some((criterion) => criterion !== undefined))
    throw new RangeError("maxNotImproving, targetObjective and completeOnConvergence need a study with one objective.");
}

function checkConvergence({ improvement = 0.01, chance = 0.1, confidence = 0.95 }: Convergence): void {
  if (!(improvement >= 0)) throw new RangeError(`improvement is ${String(improvement)}; it must be a number from 0.`);
  for (const [name, share] of Object.entries({ chance, confidence }))
    if (!(share > 0 && share < 1)) throw new RangeError(`${name} is ${String(share)}; it must lie in (0, 1).`);
}
