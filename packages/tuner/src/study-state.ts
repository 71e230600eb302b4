import { journalCorrupt } from "./errors.ts";
import { type SpendingLedger, type TrialSpending, createSpendingLedger } from "./execute/spending-ledger.ts";
import type { Attributes, JournalEntry } from "./journal.ts";
import { type Definitions, createDefinitions } from "./study/definitions.ts";
import { afterEntry, noted, trialOf } from "./study/trial-fold.ts";
import type { Trial, TrialState } from "./trial.ts";

/** What the entries of a study add up to. */
export interface StudyState {
  /** How many entries were applied. */
  readonly position: number;
  readonly header: Extract<JournalEntry, { kind: "study" }> | undefined;
  /** By number. */
  readonly trials: readonly Trial[];
  /** Numbers of the trials that wait, and of those that run. */
  readonly waiting: ReadonlySet<number>;
  readonly running: ReadonlySet<number>;
  /** How many trials ever began, those included that were given a cached result instead. */
  readonly begun: number;
  /** Numbers in the order the trials ended, those added with a result not. */
  readonly ended: readonly number[];
  /** How many failed trials are shown to samplers as the worst. */
  readonly imputed: number;
  /** Time in which at least one trial ran, milliseconds. */
  readonly runtimeMs: number;
  readonly attributes: Attributes;
  readonly spending: (trial: number) => TrialSpending;
  /** Of a study without a fixed space. */
  readonly definitions: Definitions;
  apply(entries: readonly JournalEntry[]): void;
}

interface Fold extends StudyState {
  position: number;
  header: StudyState["header"];
  readonly trials: Trial[];
  readonly waiting: Set<number>;
  readonly running: Set<number>;
  begun: number;
  readonly ended: number[];
  imputed: number;
  runtimeMs: number;
  attributes: Attributes;
  newestMs: number;
  readonly ledger: SpendingLedger;
}

export function createStudyState(study: string): StudyState {
  const ledger = createSpendingLedger();
  const fold: Fold = {
    spending: ledger.of,
    ledger,
    position: 0,
    header: undefined,
    trials: [],
    waiting: new Set(),
    running: new Set(),
    begun: 0,
    ended: [],
    imputed: 0,
    runtimeMs: 0,
    attributes: {},
    definitions: createDefinitions(),
    newestMs: 0,
    apply(entries) {
      for (const entry of entries) {
        countTime(fold, entry);
        applyEntry(study, fold, entry);
        fold.position += 1;
      }
    },
  };
  return fold;
}

/** What passes before the trials of a dead worker are taken back is nobody's running time. */
function countTime(fold: Fold, entry: JournalEntry): void {
  const isLost = entry.kind === "reclaim" && entry.failure === "worker-lost";
  if (fold.running.size > 0 && !isLost) fold.runtimeMs += Math.max(0, entry.timeMs - fold.newestMs);
  fold.newestMs = Math.max(fold.newestMs, entry.timeMs);
}

function applyEntry(study: string, fold: Fold, entry: JournalEntry): void {
  if (entry.kind === "study") {
    if (entry.formatVersion !== 1)
      throw journalCorrupt(
        study,
        fold.position,
        `its format version is ${String(entry.formatVersion)}, newer than this release`,
      );
    fold.header = entry;
  } else if (entry.kind === "attributes") {
    fold.attributes = noted(fold.attributes, entry.attributes);
  } else if (entry.kind === "trial") {
    if (entry.number !== fold.trials.length)
      throw journalCorrupt(study, fold.position, `trial ${entry.number} follows trial ${fold.trials.length - 1}`);
    if (entry.cachedFrom !== undefined) fold.begun += 1;
    place(fold, trialOf(entry));
  } else {
    const trial = fold.trials[entry.number];
    if (trial === undefined)
      throw journalCorrupt(study, fold.position, `it speaks of trial ${entry.number}, which does not exist`);
    if (entry.kind === "begin" && trial.attempts === 0) fold.begun += 1;
    place(fold, fold.ledger.after(afterEntry(trial, entry), entry));
  }
}

const isOver = (state: TrialState): boolean => state === "completed" || state === "pruned" || state === "failed";

/** Puts the trial where its state belongs. */
function place(fold: Fold, trial: Trial): void {
  const before = fold.trials[trial.number];
  fold.trials[trial.number] = trial;
  fold.definitions.note(trial);
  if (before?.state === trial.state) return;
  if (trial.imputed === true) fold.imputed += 1;
  fold.waiting.delete(trial.number);
  fold.running.delete(trial.number);
  if (trial.state === "waiting") fold.waiting.add(trial.number);
  else if (trial.state === "running") fold.running.add(trial.number);
  else if (isOver(trial.state) && trial.added === undefined) fold.ended.push(trial.number);
}
