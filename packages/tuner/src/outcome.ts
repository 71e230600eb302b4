import type { Direction, Trial } from "./trial.ts";

/** Whether nothing that was measured of the trial's constraints is above 0. */
export function isFeasible({ constraintValues = [] }: Trial): boolean {
  return constraintValues.every((value) => value <= 0);
}

/** By how much the constraints are missed: the sum of what is above 0; 0 where the trial is feasible. */
export function violationOf({ constraintValues = [] }: Trial): number {
  return constraintValues.reduce((sum, value) => sum + Math.max(0, value), 0);
}

/** The first objective, so that less is better; `undefined` where the trial has none. */
export function lossOf({ values, value }: Trial, direction: Direction): number | undefined {
  const first = values?.[0] ?? value;
  return first === undefined ? undefined : direction === "minimize" ? first : -first;
}

/** The completed trial with the best value of the first objective: feasible before infeasible, those by their violation; the earliest of equals. */
export function bestTrial(trials: readonly Trial[], direction: Direction): Trial | undefined {
  let best: { readonly trial: Trial; readonly violation: number; readonly loss: number } | undefined;
  for (const trial of trials) {
    const loss = lossOf(trial, direction);
    if (trial.state !== "completed" || loss === undefined) continue;
    const violation = violationOf(trial);
    if (best === undefined || violation < best.violation || (violation === best.violation && loss < best.loss))
      best = { trial, violation, loss };
  }
  return best?.trial;
}
