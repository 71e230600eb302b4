import { lossOf, violationOf } from "../outcome.ts";
import type { Space } from "../space.ts";
import type { Direction, Trial } from "../trial.ts";

/** A study as it stands: `{ ...study, trials: await study.trials() }`. */
export interface StudyRecord {
  readonly space: Space;
  readonly directions: readonly Direction[];
  readonly trials: readonly Trial[];
}

/** A completed trial and one of its objectives. */
export interface Scored {
  readonly trial: Trial;
  readonly value: number;
  /** The same so that less is better. */
  readonly loss: number;
}

/** The completed trials that have this objective, by number. @param objective Its place in the study's directions. */
export function scoredTrials({ trials, directions }: StudyRecord, objective = 0): readonly Scored[] {
  const sign = directions[objective] === "maximize" ? -1 : 1;
  return trials.flatMap((trial) => {
    const value = trial.values?.[objective] ?? (objective === 0 ? trial.value : undefined);
    return trial.state === "completed" && value !== undefined ? [{ trial, value, loss: sign * value }] : [];
  });
}

/** By the first objective, feasible ones before the others. */
export function byMerit({ trials, directions }: StudyRecord): readonly Trial[] {
  const direction = directions[0] ?? "minimize";
  return trials
    .filter((trial) => trial.state === "completed" && lossOf(trial, direction) !== undefined)
    .toSorted(
      (a, b) => violationOf(a) - violationOf(b) || (lossOf(a, direction) as number) - (lossOf(b, direction) as number),
    );
}
