import type { Clock } from "@millwright/contracts";
import { bestTrial } from "../outcome.ts";
import type { StudyEngine } from "../study-engine.ts";
import type { Trial } from "../trial.ts";

/** How far a study has come. */
export interface Progress {
  /** Trials that ended, those of earlier calls and of other workers included. */
  readonly done: number;
  /** The number they shall be in the end; absent where none was set. */
  readonly total?: number | undefined;
  readonly running: number;
  /** The best so far, of the first objective. */
  readonly best?: Trial | undefined;
  /** Since this call began, milliseconds. */
  readonly elapsedMs: number;
  /** What the rest will take at the pace of this call, milliseconds; absent where there is no total. */
  readonly etaMs?: number | undefined;
}

/** @returns what tells how far the study has come, since it was made. */
export function createProgress(engine: StudyEngine, clock: Clock, total: number): () => Progress {
  const { state, directions } = engine;
  const startedMs = clock.nowMs();
  const doneBefore = state.ended.length;
  return () => {
    const done = state.ended.length;
    const elapsedMs = clock.nowMs() - startedMs;
    const best = bestTrial(state.trials, directions[0] ?? "minimize");
    const pace = elapsedMs / Math.max(1, done - doneBefore);
    return {
      done,
      running: state.running.size,
      elapsedMs,
      ...(best === undefined ? {} : { best }),
      ...(Number.isFinite(total) ? { total, etaMs: Math.max(0, total - done) * pace } : {}),
    };
  };
}
