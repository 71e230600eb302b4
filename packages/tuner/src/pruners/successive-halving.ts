import type { Direction, Pruner, PruneVerdict, Trial } from "../trial.ts";
import { checkNumber, checkWhole, lastReport, signOf } from "./reports.ts";

export interface SuccessiveHalvingOptions {
  /** Steps before the first rung, from 1. `auto`: a hundredth of the steps of the first trial that completed, at least 1; nothing is stopped before. Default: auto. */
  readonly minimumResource?: number | "auto" | undefined;
  /** η, from 2: about one in so many passes a rung. Default: 4. */
  readonly reductionFactor?: number | undefined;
  /** s, from 0: the first rung is after `minimumResource·η^s` steps. Default: 0. */
  readonly minimumEarlyStoppingRate?: number | undefined;
  /** The first so many trials at a rung never pass it, from 0; not together with `auto`. Default: 0. */
  readonly bootstrapCount?: number | undefined;
}

/**
 * Asynchronous successive halving that stops instead of pausing, by Optuna's rule (SuccessiveHalvingPruner): rung k is after `minimumResource·η^(s+k)` steps. A trial passes
 * it if it is among the best ⌊n/η⌋ of the n that got there so far, itself included; of the first η − 1, if it is the best so far. NaN never passes.
 * After Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020; the paper's own rule is `ashaPruner`.
 */
export function successiveHalvingPruner(options: SuccessiveHalvingOptions = {}): Pruner {
  const { minimumResource = "auto", reductionFactor = 4, minimumEarlyStoppingRate = 0, bootstrapCount = 0 } = options;
  if (minimumResource !== "auto") checkNumber("minimumResource", minimumResource, 1, Number.MAX_VALUE);
  checkWhole("reductionFactor", reductionFactor, 2);
  checkWhole("minimumEarlyStoppingRate", minimumEarlyStoppingRate, 0);
  checkWhole("bootstrapCount", bootstrapCount, 0);
  if (minimumResource === "auto" && bootstrapCount > 0)
    throw new RangeError("bootstrapCount needs a minimumResource: with auto the first trial passes every rung.");
  return {
    name: "successive-halving",
    judge({ trial, trials, direction }) {
      const source = minimumResource === "auto" ? firstCompleted(trials) : undefined;
      if (minimumResource === "auto" && source === undefined) return { prune: false };
      return judgeRungs(trial, source === undefined ? trials : endedAfter(trials, source), {
        direction,
        reductionFactor,
        bootstrapCount,
        firstRung:
          (minimumResource === "auto"
            ? Math.max(1, Math.floor((lastReport(source as Trial)?.[0] as number) / 100))
            : minimumResource) *
          reductionFactor ** minimumEarlyStoppingRate,
        rule: "successive-halving",
      });
    },
  };
}

/** The trial that completed first, of those that reported anything. */
export function firstCompleted(trials: readonly Trial[]): Trial | undefined {
  let first: Trial | undefined;
  for (const trial of trials) {
    if (trial.state !== "completed" || trial.intermediates.length === 0) continue;
    if (first === undefined || endOf(trial) < endOf(first)) first = trial;
  }
  return first;
}

const endOf = ({ endedMs = Infinity }: Trial): number => endedMs;

/** Leaves out what ended before there were any rungs, `source` included: nothing of it was recorded at one. */
export function endedAfter(trials: readonly Trial[], source: Trial): readonly Trial[] {
  return trials.filter(
    (trial) => endOf(trial) > endOf(source) || (endOf(trial) === endOf(source) && trial.number > source.number),
  );
}

export interface RungSettings {
  readonly direction: Direction;
  readonly reductionFactor: number;
  readonly bootstrapCount: number;
  /** Steps before rung 0. */
  readonly firstRung: number;
  readonly rule: string;
  /** Told with the verdict. */
  readonly bracket?: number | undefined;
}

/** @param trials Those that compete, in which `trial` itself may be missing. */
export function judgeRungs(trial: Trial, trials: readonly Trial[], settings: RungSettings): PruneVerdict {
  const { reductionFactor, firstRung, bootstrapCount, direction, rule, bracket } = settings;
  const [step, value] = lastReport(trial) ?? [];
  if (step === undefined || value === undefined) return { prune: false };
  const sign = signOf(direction);
  const named = bracket === undefined ? { rule } : { rule, bracket };
  const before = { ...trial, state: "running", intermediates: trial.intermediates.slice(0, -1) } as const;
  const peers = trials.filter(({ number }) => number !== trial.number).map((peer) => rungsOf(peer, settings));
  for (let rung = rungsOf(before, settings).length; step >= firstRung * reductionFactor ** rung; rung += 1) {
    if (Number.isNaN(value))
      return { prune: true, reason: `its value at rung ${rung} is NaN`, explanation: { ...named, rung, step } };
    const competing = peers.flatMap((values) => (values.length > rung ? [values[rung] as number] : []));
    const scores = [...competing, value].map((other) => sign * other).toSorted((a, b) => a - b);
    const passing = Math.max(1, Math.floor(scores.length / reductionFactor));
    const bound = sign * (scores[passing - 1] as number);
    if (scores.length <= bootstrapCount || sign * value > sign * bound) {
      return {
        prune: true,
        reason: `its value at rung ${rung}, ${value}, is not among the best ${passing} of ${scores.length}`,
        explanation: { ...named, rung, step, value, bound, passing, peers: scores.length },
      };
    }
  }
  return { prune: false };
}

/** What a trial recorded at rung 0, 1 and so on: its first value at or after the rung. Its last report went no further than the rung it was stopped at. */
function rungsOf({ intermediates, state, verdict }: Trial, settings: RungSettings): readonly number[] {
  const { firstRung, reductionFactor } = settings;
  const values: number[] = [];
  const stoppedAt = state === "pruned" ? verdict?.["rung"] : undefined;
  const last = typeof stoppedAt === "number" ? stoppedAt : Infinity;
  for (const [step, value] of intermediates)
    while (values.length <= last && step >= firstRung * reductionFactor ** values.length) {
      if (Number.isNaN(value)) return values;
      values.push(value);
    }
  return values;
}
