import type { CallOptions, Clock } from "@millwright/contracts";
import type { Decision } from "../decider.ts";
import type { StudyBudget } from "../execute/study-budget.ts";
import { trialFinished, trialLost, trialUnknown } from "../errors.ts";
import type { StudyJournal } from "../journal.ts";
import type { Space } from "../space.ts";
import type { Constraint } from "../space-constraints.ts";
import type { StudyState } from "../study-state.ts";
import type { Direction, Pruner, PruneVerdict, Sampler, SuggestContext, Suggestion, Trial } from "../trial.ts";
import type { WorkerLease } from "../worker-lease.ts";
import type { StopWhen } from "./completion.ts";
import type { DuplicatePolicy, TriedPoints } from "./duplicates.ts";
import type { OnFailure } from "./failures.ts";
import type { NoisePolicy } from "./noise.ts";

export interface StudyEngineOptions extends CallOptions {
  readonly name: string;
  readonly space: Space;
  /** Trials say themselves which parameters they have; `space` is empty. */
  readonly dynamic: boolean;
  readonly directions: readonly Direction[];
  readonly constraints: readonly Constraint[];
  readonly journal: StudyJournal;
  readonly lease: WorkerLease;
  readonly clock: Clock;
  readonly worker: string;
  readonly seed: number;
  readonly sampler: Sampler;
  readonly pruner: Pruner | undefined;
  readonly duplicates: DuplicatePolicy;
  readonly noise: NoisePolicy | undefined;
  readonly stopWhen: StopWhen;
  readonly onFailure: OnFailure | undefined;
  readonly maxRetries: number;
  readonly maxAttempts: number;
  /** What all trials may spend, where the study itself keeps to it. */
  readonly budget?: StudyBudget | undefined;
}

export interface MadeSuggestion {
  /** Of the trial and everything asked of it. */
  readonly key: string;
  readonly times: number;
  /** Entries it was made from. */
  readonly position: number;
  readonly suggestion: Suggestion;
}

/** What decisions are made from: the options, and the study as of the newest entry read. */
export interface EngineContext extends StudyEngineOptions {
  readonly state: StudyState;
  readonly tried: TriedPoints;
  /** The newest suggestion, and how often it was made: where others write more often than a slow sampler suggests, it is kept to. */
  readonly newest: { suggestion?: MadeSuggestion | undefined };
  /** What the pruner said last of each trial that runs here. */
  readonly verdicts: Map<number, PruneVerdict>;
}

/** A decision to write nothing. */
export const nothing: Decision<void> = { entries: [], result: () => {} };

/** What samplers and pruners see of the study. */
export const seenBy = ({ name, state, directions, constraints }: EngineContext): SuggestContext => ({
  study: name,
  direction: directions[0] as Direction,
  directions,
  constraints,
  trials: state.trials,
});

export function knownTrial({ state, name }: EngineContext, number: number): Trial {
  const trial = state.trials[number];
  if (trial === undefined) throw trialUnknown(name, number);
  return trial;
}

/** @param attempt Whose word it is; undefined for whoever speaks of the trial by its number. Throws `TUNER_TRIAL_FINISHED`, `TUNER_TRIAL_LOST`. */
export function runningTrial(context: EngineContext, number: number, attempt?: number): Trial {
  const trial = knownTrial(context, number);
  if (attempt !== undefined && trial.attempts !== attempt) throw trialLost(context.name, number);
  if (trial.state !== "running") {
    if (attempt !== undefined && trial.state === "waiting") throw trialLost(context.name, number);
    throw trialFinished(context.name, number, trial.state);
  }
  return trial;
}
