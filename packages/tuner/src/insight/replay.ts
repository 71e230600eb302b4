import { createRandom } from "@millwright/contracts";
import type { JournalEntry } from "../journal.ts";
import type { Constraint } from "../space-constraints.ts";
import type { Params } from "../space.ts";
import { shownToSampler } from "../study/imputation.ts";
import { isOfSampler } from "../study/suggestion.ts";
import { type StudyState, createStudyState } from "../study-state.ts";
import type { Direction, Pruner, PruneVerdict, Sampler, SuggestContext, Trial } from "../trial.ts";

/** A study with everything that happened in it: `{ ...study, history: await study.history() }`. */
export interface StudyHistory {
  readonly name: string;
  /** In the order written, from the first entry. */
  readonly history: readonly JournalEntry[];
}

export interface ReplayOptions {
  /** Default: suggestions are not looked at. */
  readonly sampler?: Sampler | undefined;
  /** Default: verdicts are not looked at. */
  readonly pruner?: Pruner | undefined;
  /** The rules of the study, which no journal can keep. Default: none. */
  readonly constraints?: readonly Constraint[] | undefined;
  /** The number of trials that was asked for, for samplers that look at it. Default: unknown. */
  readonly plannedTrials?: number | undefined;
}

/** What a sampler suggests where the study had a trial of its own making. */
export interface ReplayedSuggestion {
  readonly trial: number;
  readonly recorded: Params;
  readonly suggested: Params;
  readonly same: boolean;
}

/** What a pruner says to a report, from what was known when it was made. */
export interface ReplayedVerdict {
  readonly trial: number;
  readonly step: number;
  readonly verdict: PruneVerdict;
  /** Whether the trial went on, was paused or was stopped there as this says; a trial that was never ended has no say. */
  readonly same: boolean;
}

export interface StudyReplay {
  readonly suggestions: readonly ReplayedSuggestion[];
  readonly verdicts: readonly ReplayedVerdict[];
  /** Whether every decision of the record is the one made here. */
  readonly same: boolean;
}

/**
 * Makes a study's decisions again, each from the entries before it. With the sampler and the pruner of the study every one is the same: a recorded verdict can be
 * checked, and a change in a policy's code is seen. With others, it shows where they would have differed, one decision at a time.
 */
export function replayStudy(
  { name, history }: StudyHistory,
  { sampler, pruner, constraints, plannedTrials }: ReplayOptions,
): StudyReplay {
  const state = createStudyState(name);
  const suggestions: ReplayedSuggestion[] = [];
  const verdicts: ReplayedVerdict[] = [];
  const seen = (trials: readonly Trial[] = state.trials): SuggestContext => ({
    ...contextOf(name, history),
    trials,
    constraints: constraints ?? linearOf(history),
  });
  const { directions } = contextOf(name, history);
  const following = nextOfEach(history);
  for (const [position, entry] of history.entries()) {
    if (entry.kind === "trial" && sampler !== undefined && isOfSampler(entry) && state.header?.dynamic !== true) {
      const random = createRandom(state.header?.seed ?? 0).fork(`trial/${entry.number}`);
      // A slow sampler's suggestion may be from fewer entries than came before it.
      const known = entry.suggestedAfter === undefined ? state : stateAfter(name, history, entry.suggestedAfter);
      const { params } = sampler.suggest(
        state.header?.space ?? {},
        { ...seen(shownToSampler({ state: known, directions })), plannedTrials },
        random,
      );
      const same = sameValues(entry.params, params);
      suggestions.push({ trial: entry.number, recorded: entry.params, suggested: params, same });
    }
    state.apply([entry]);
    if (entry.kind !== "report" || pruner === undefined) continue;
    const { number: trial, step } = entry;
    const verdict = pruner.judge({ ...seen(), trial: state.trials[trial] as Trial });
    verdicts.push({ trial, step, verdict, same: isBorneOut(verdict, following[position]) });
  }
  return { suggestions, verdicts, same: [...suggestions, ...verdicts].every(({ same }) => same) };
}

function stateAfter(name: string, history: readonly JournalEntry[], entries: number): StudyState {
  const state = createStudyState(name);
  state.apply(history.slice(0, entries));
  return state;
}

/** What samplers and pruners see besides trials. */
export function contextOf(
  name: string,
  history: readonly JournalEntry[],
): { readonly study: string; readonly direction: Direction; readonly directions: readonly Direction[] } {
  const header = headerOf(history);
  return { study: name, direction: header.direction, directions: header.directions ?? [header.direction] };
}

/** Throws TypeError where the history does not begin at its beginning. */
export function headerOf(history: readonly JournalEntry[]): Extract<JournalEntry, { kind: "study" }> {
  const [header] = history;
  if (header?.kind !== "study") throw new TypeError("A history begins with the entry of its study; read it from 0.");
  return header;
}

const linearOf = (history: readonly JournalEntry[]): readonly Constraint[] =>
  (headerOf(history).constraints ?? []).filter((constraint) => constraint.kind === "linear");

/** Whether what came next of this trial agrees: another report where it said to go on, an end of the same kind and numbers where it did not. */
function isBorneOut(verdict: PruneVerdict, next: JournalEntry | undefined): boolean {
  // Given back, or not ended yet: nothing says what was decided.
  if (next === undefined || next.kind === "reclaim") return true;
  const said = verdict.prune ? "pruned" : verdict.pause === true ? "paused" : "running";
  if (next.kind !== "end" || next.result.state === "completed" || next.result.state === "failed")
    // An objective may go on past a pause, and fail anywhere.
    return said !== "pruned";
  if (next.result.state !== said) return false;
  const { verdict: recorded } = next.result;
  return recorded === undefined || !("explanation" in verdict) || sameValues(recorded, verdict.explanation);
}

/** For each entry, the next about the same trial. */
function nextOfEach(history: readonly JournalEntry[]): readonly (JournalEntry | undefined)[] {
  const newest = new Map<number, JournalEntry>();
  const following: (JournalEntry | undefined)[] = history.map(() => undefined);
  for (let position = history.length - 1; position >= 0; position -= 1) {
    const entry = history[position] as JournalEntry;
    // What was spent says nothing of what was decided.
    if (!("number" in entry) || entry.kind === "spend") continue;
    following[position] = newest.get(entry.number);
    newest.set(entry.number, entry);
  }
  return following;
}

/** Compares JSON-safe values, NaN and the order of keys not minded. */
function sameValues(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return Object.is(a, b);
  const [left, right] = [Object.entries(a), Object.entries(b)];
  return left.length === right.length && left.every(([key, value]) => key in b && sameValues(value, (b as never)[key]));
}

/** The history of a study of which only the trials are known, imported for instance, as if they had run one after the other in the order of their numbers. */
export function historyOf(
  name: string,
  study: {
    readonly space: Extract<JournalEntry, { kind: "study" }>["space"];
    readonly directions: readonly Direction[];
  },
  trials: readonly Trial[],
): StudyHistory {
  const [direction] = study.directions;
  if (direction === undefined) throw new TypeError("A study has at least one direction.");
  const directions = study.directions.length > 1 ? { directions: study.directions } : {};
  const history: JournalEntry[] = [
    { kind: "study", formatVersion: 1, space: study.space, direction, ...directions, seed: 0, timeMs: 0 },
  ];
  for (const [number, trial] of trials.entries()) {
    const { params, explanation, intermediates, startedMs: timeMs = number } = trial;
    history.push({ kind: "trial", number, params, explanation, timeMs });
    if (trial.attempts === 0 && intermediates.length === 0 && trial.state === "waiting") continue;
    history.push({ kind: "begin", number, worker: trial.worker ?? "recorded", timeMs });
    for (const [step, value] of intermediates) history.push({ kind: "report", number, step, value, timeMs });
    const result = resultOf(trial);
    if (result !== undefined) history.push({ kind: "end", number, result, timeMs: trial.endedMs ?? timeMs });
  }
  return { name, history };
}

function resultOf(trial: Trial): Extract<JournalEntry, { kind: "end" }>["result"] | undefined {
  const { state, value, values, reason = "", verdict, constraintValues: constraints } = trial;
  if (state === "completed")
    return { state, ...(value === undefined ? { values } : { value }), ...(constraints ? { constraints } : {}) };
  if (state === "failed") return { state, reason };
  return state === "pruned" || state === "paused" ? { state, reason, ...(verdict ? { verdict } : {}) } : undefined;
}
