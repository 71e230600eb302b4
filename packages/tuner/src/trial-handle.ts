import type { Budget, TrialHandle } from "@millwright/contracts";
import type { ParamsOf, Space } from "./space.ts";
import type { StudyEngine } from "./study-engine.ts";
import type { PruneVerdict, Trial } from "./trial.ts";

/** A running trial of a study. */
export interface StudyTrial<S extends Space> extends TrialHandle<ParamsOf<S>> {
  /** Why the pruner said to stop, once it did. */
  readonly pruned: Extract<PruneVerdict, { prune: true }> | undefined;
  /** Why the pruner said to pause, where that is what it said last. */
  readonly paused: Extract<PruneVerdict, { pause: true }> | undefined;
}

export interface TrialHandleOptions {
  readonly signal?: AbortSignal | undefined;
  readonly budget?: Budget | undefined;
}

export function createTrialHandle<S extends Space>(
  engine: StudyEngine,
  trial: Trial,
  { signal, budget }: TrialHandleOptions,
): StudyTrial<S> {
  let pruned: StudyTrial<S>["pruned"];
  let paused: StudyTrial<S>["paused"];
  return {
    id: `${engine.name}/${trial.number}`,
    number: trial.number,
    params: trial.params as ParamsOf<S>,
    checkpoint: trial.checkpoint,
    budget,
    eventId: trial.eventId,
    signal: signal ?? new AbortController().signal,
    get pruned() {
      return pruned;
    },
    get paused() {
      return paused;
    },
    async report(step, value, { checkpoint, signal: waiting } = {}) {
      const verdict = await engine.report(trial.number, { step, value, checkpoint }, waiting);
      // An objective that goes on all the same is not paused.
      paused = !verdict.prune && verdict.pause === true ? verdict : undefined;
      if (paused !== undefined) return "pause";
      if (!verdict.prune) return "continue";
      pruned = verdict;
      return "prune";
    },
  };
}
