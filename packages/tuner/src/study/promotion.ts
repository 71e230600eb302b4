import type { JournalEntry } from "../journal.ts";
import type { Pruner, PruneVerdict, SuggestContext, Trial } from "../trial.ts";

export interface ResumeOptions {
  readonly pruner: Pruner | undefined;
  /** As samplers and pruners see the study. */
  readonly seen: SuggestContext;
  /** Trials that run on workers which died. */
  readonly dead: readonly Trial[];
  readonly timeMs: number;
}

/** What goes on before a new trial is made. */
export interface Resumed {
  /** What must be written before it begins. */
  readonly entries: readonly JournalEntry[];
  /** Interrupted, promoted or enqueued; in this order. */
  readonly next: Trial | undefined;
  /** As they are after the entries. */
  readonly trials: readonly Trial[];
}

/**
 * Chooses among the trials that exist already. An interrupted one that was to pause, and whose worker died before it could say so, pauses now: it does not
 * get past its rung without being promoted.
 */
export function resumeTrial({ pruner, seen, dead, timeMs }: ResumeOptions): Resumed {
  const entries: JournalEntry[] = dead.map(({ number }) => ({
    kind: "reclaim",
    number,
    reason: "its worker died",
    timeMs,
  }));
  let trials = seen.trials.map((trial): Trial => (dead.includes(trial) ? { ...trial, state: "waiting" } : trial));
  for (const trial of trials) {
    if (trial.state !== "waiting" || trial.attempts === 0) continue;
    const verdict = pauseOf(trial, pruner, { ...seen, trials });
    if (verdict === undefined) return { entries, next: trial, trials };
    const { reason, explanation } = verdict;
    const { number } = trial;
    entries.push({ kind: "end", number, result: { state: "paused", reason, verdict: explanation }, timeMs });
    trials = trials.with(number, { ...trial, state: "paused", reason, verdict: explanation });
  }
  const promoted = pruner?.promote?.({ ...seen, trials });
  const next = promoted === undefined ? undefined : trials[promoted];
  const isPaused = next?.state === "paused";
  return { entries, next: isPaused ? next : trials.find(({ state }) => state === "waiting"), trials };
}

function pauseOf(
  trial: Trial,
  pruner: Pruner | undefined,
  seen: SuggestContext,
): Extract<PruneVerdict, { pause: true }> | undefined {
  if (pruner?.promote === undefined || trial.intermediates.length === 0) return undefined;
  const verdict = pruner.judge({ ...seen, trial: { ...trial, state: "running" } });
  return !verdict.prune && verdict.pause === true ? verdict : undefined;
}
