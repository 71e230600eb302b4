import { type CallOptions, type TrialHandle, hasCode } from "@millwright/contracts";
import type { Wallet } from "./execute/wallet.ts";
import type { Attributes } from "./journal.ts";
import type { ParamsOf, Space } from "./space.ts";
import type { StudyEngine } from "./study-engine.ts";
import type { PruneVerdict, Trial } from "./trial.ts";

/** A running trial of a study. */
export interface StudyTrial<S extends Space> extends TrialHandle<ParamsOf<S>> {
  /** For what is random in the objective: another number for each evaluation, from 0 to 2^32 − 1. */
  readonly seed: number;
  /** How often it was begun before: 0, or more where a worker died or an attempt failed. */
  readonly retries: number;
  /** What its user notes of it, by name; null takes a note back. */
  setAttributes(attributes: Attributes, options?: CallOptions): Promise<void>;
  /** Why the pruner said to stop, once it did. */
  readonly pruned: Extract<PruneVerdict, { prune: true }> | undefined;
  /** Why the pruner said to pause, where that is what it said last. */
  readonly paused: Extract<PruneVerdict, { pause: true }> | undefined;
  /** Whether it was told to pause because the budget has not what its next step may take. */
  readonly isOutOfBudget: boolean;
}

export interface TrialHandleOptions {
  readonly signal?: AbortSignal | undefined;
  readonly wallet?: Wallet | undefined;
  /** Called when the trial turns out to be another worker's by now. */
  readonly onLost?: ((error: unknown) => void) | undefined;
}

export function createTrialHandle<S extends Space>(
  engine: StudyEngine,
  trial: Trial,
  { signal, wallet, onLost }: TrialHandleOptions,
): StudyTrial<S> {
  let pruned: StudyTrial<S>["pruned"];
  let paused: StudyTrial<S>["paused"];
  let isOutOfBudget = false;
  const attempt = trial.attempts;
  return {
    id: `${engine.name}/${trial.number}`,
    number: trial.number,
    params: trial.params as ParamsOf<S>,
    checkpoint: trial.checkpoint,
    budget: wallet?.budget,
    eventId: trial.eventId,
    retries: attempt - 1,
    signal: signal ?? new AbortController().signal,
    get seed() {
      return engine.seedOf(trial);
    },
    get pruned() {
      return pruned;
    },
    get paused() {
      return paused;
    },
    get isOutOfBudget() {
      return isOutOfBudget;
    },
    setAttributes: (attributes, call = {}) => engine.note(trial.number, attributes, call.signal),
    async report(step, value, { checkpoint, cost, signal: waiting } = {}) {
      const verdict = await engine
        .report(trial.number, { step, value, checkpoint }, { attempt, signal: waiting })
        .catch((error: unknown) => {
          if (hasCode(error, "TUNER_TRIAL_LOST")) onLost?.(error);
          throw error;
        });
      // An objective that goes on all the same is not paused.
      paused = !verdict.prune && verdict.pause === true ? verdict : undefined;
      const isCovered = (await wallet?.step(cost, verdict.prune || paused !== undefined)) ?? true;
      if (paused !== undefined) return "pause";
      if (!verdict.prune) {
        isOutOfBudget ||= !isCovered;
        return isCovered ? "continue" : "pause";
      }
      pruned = verdict;
      return "prune";
    },
  };
}
