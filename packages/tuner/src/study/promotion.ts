import type { JournalEntry } from "../journal.ts";
import type { Pruner, PruneVerdict, SuggestContext, Trial } from "../trial.ts";

export interface ResumeOptions {
  readonly pruner: Pruner | undefined;
  /** As samplers and pruners see the study, once what the dead left has been taken back. */
  readonly seen: SuggestContext;
  /** Numbers of the trials that wait. */
  readonly line: readonly number[];
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
export function resumeTrial({ pruner, seen, line, timeMs }: ResumeOptions): Resumed {
  const entries: JournalEntry[] = [];
  let { trials } = seen;
  const waiting = line.toSorted((a, b) => a - b);
  if (pruner?.promote === undefined) return { entries, next: first(trials, waiting), trials };
  for (const number of waiting) {
    const trial = trials[number];
    if (trial === undefined || trial.attempts === 0) continue;
    const verdict = pauseOf(trial, pruner, { ...seen, trials });
    if (verdict === undefined) return { entries, next: trial, trials };
    const { reason, explanation } = verdict;
    entries.push({ kind: "end", number, result: { state: "paused", reason, verdict: explanation }, timeMs });
    trials = trials.with(number, { ...trial, state: "paused", reason, verdict: explanation });
  }
  const promoted = pruner.promote({ ...seen, trials });
  const next = promoted === undefined ? undefined : trials[promoted];
  if (next?.state === "paused") return { entries, next, trials };
  return { entries, next: trials.find(({ state }) => state === "waiting"), trials };
}

/** Interrupted before enqueued. */
function first(trials: readonly Trial[], line: readonly number[]): Trial | undefined {
  const inLine = line.map((number) => trials[number] as Trial);
  return inLine.find(({ attempts }) => attempts > 0) ?? inLine[0];
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
