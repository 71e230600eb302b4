import type { CallOptions, Clock } from "@millwright/contracts";
import type { Decision } from "../decider.ts";
import { trialFinished, trialUnknown } from "../errors.ts";
import type { StudyJournal } from "../journal.ts";
import type { Space } from "../space.ts";
import type { Constraint } from "../space-constraints.ts";
import type { StudyState } from "../study-state.ts";
import type { Direction, Pruner, PruneVerdict, Sampler, SuggestContext, Trial } from "../trial.ts";
import type { WorkerLease } from "../worker-lease.ts";

export interface StudyEngineOptions extends CallOptions {
  readonly name: string;
  readonly space: Space;
  readonly directions: readonly Direction[];
  readonly constraints: readonly Constraint[];
  readonly journal: StudyJournal;
  readonly lease: WorkerLease;
  readonly clock: Clock;
  readonly worker: string;
  readonly seed: number;
  readonly sampler: Sampler;
  readonly pruner: Pruner | undefined;
}

/** What decisions are made from: the options, and the study as of the newest entry read. */
export interface EngineContext extends StudyEngineOptions {
  readonly state: StudyState;
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

export function runningTrial(context: EngineContext, number: number): void {
  const { state } = knownTrial(context, number);
  if (state !== "running") throw trialFinished(context.name, number, state);
}
