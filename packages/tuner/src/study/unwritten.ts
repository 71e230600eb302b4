import { hasCode } from "@millwright/contracts";
import type { TrialResult } from "../journal.ts";
import type { StudyEngine } from "../study-engine.ts";

/** Ends of trials that could not be written down, because a disk was full or a database away: they are kept until they can. */
export interface Unwritten {
  /** Writes, and keeps what failed to be written. Rejects with the failure. @param result Undefined: the trial is given back. */
  keep<Result>(
    trial: number,
    attempt: number,
    result: TrialResult | undefined,
    write: () => Promise<Result>,
  ): Promise<Result>;
  /** Writes what is kept. Rejects where that fails again. */
  flush(engine: StudyEngine): Promise<void>;
}

export function createUnwritten(): Unwritten {
  const kept = new Map<number, { readonly attempt: number; readonly result: TrialResult | undefined }>();
  return {
    async keep(trial, attempt, result, write) {
      try {
        return await write();
      } catch (error) {
        if (!isRefusal(error)) kept.set(trial, { attempt, result });
        throw error;
      }
    },
    async flush(engine) {
      for (const [trial, { attempt, result }] of kept) {
        try {
          if (result === undefined) await engine.reclaim(trial, "the study was stopped", attempt);
          else await engine.end(trial, result, { attempt });
        } catch (error) {
          if (!isRefusal(error)) throw error;
        }
        kept.delete(trial);
      }
    },
  };
}

const refusals = ["TUNER_TRIAL_FINISHED", "TUNER_TRIAL_LOST", "TUNER_TRIAL_UNKNOWN", "TUNER_VALUE_INVALID"] as const;

/** The study's own answer, which trying again does not change. */
const isRefusal = (error: unknown): boolean =>
  error instanceof TypeError || error instanceof RangeError || refusals.some((code) => hasCode(error, code));
