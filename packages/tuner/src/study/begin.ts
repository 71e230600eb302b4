import { hasCode } from "@millwright/contracts";
import type { Decision } from "../decider.ts";
import { plus } from "../execute/amounts.ts";
import { lostOf, reserveForBegin } from "../execute/study-budget.ts";
import type { JournalEntry } from "../journal.ts";
import type { Params } from "../space.ts";
import type { Trial } from "../trial.ts";
import { type CompletionReason, type StopWhen, completionOf } from "./completion.ts";
import { type EngineContext, seenBy } from "./context.ts";
import { nextTrial } from "./next-trial.ts";
import { resumeTrial } from "./promotion.ts";
import { type TrialChange, afterEntry } from "./trial-fold.ts";
import { suggest } from "./suggestion.ts";

export interface BeginRequest {
  /** All trials of the study that may ever be begun. */
  readonly limit?: number | undefined;
  /** In place of the study's. */
  readonly stopWhen?: StopWhen | undefined;
  /** Values that the trial's parameters shall have. */
  readonly fixed?: Params | undefined;
  readonly skipsCached?: boolean | undefined;
}

/** Why no trial begins. */
export interface Stop {
  readonly stopped: CompletionReason["stopped"] | "space" | "budget";
  /** A sentence with the numbers. */
  readonly reason: string;
  /** What the budget says. */
  readonly error?: unknown;
}

/**
 * The trial that began; one that was recorded with cached values, after which to ask again; why no trial begins any more; or that what begins depends on trials
 * that run.
 */
export type Begun =
  | { readonly trial: Trial }
  | { readonly cached: Trial }
  | { readonly stop: Stop }
  | { readonly wait: true };

export async function decideBegin(context: EngineContext, request: BeginRequest): Promise<Decision<Begun>> {
  const { state, clock, directions, pruner } = context;
  const { maxTrials, ...criteria } = request.stopWhen ?? context.stopWhen;
  const limit = leastOf(request.limit, maxTrials);
  const lost = await lostTrials(context);
  const losses = lost.map((trial) => afterLoss(context, trial));
  const again = losses.filter(({ kind }) => kind === "reclaim").map(({ number }) => number);
  const resumed = resumeTrial({
    pruner,
    seen: { ...seenBy(context), plannedTrials: limit, trials: afterEntries(state.trials, losses) },
    line: [...state.waiting, ...again],
    timeMs: clock.nowMs(),
  });
  const { entries: paused, next } = resumed;
  const entries: JournalEntry[] = [...losses, ...paused];
  // What was found of the dead is written even where nothing begins.
  const stopWith = (stop: Stop): Decision<Begun> => ({ entries, result: () => ({ stop }) });

  const { begun, runtimeMs } = state;
  const done = completionOf(criteria, {
    direction: directions[0] ?? "minimize",
    begun,
    runtimeMs,
    get ended() {
      return state.ended.map((number) => state.trials[number] as Trial);
    },
  });
  if (done !== undefined) return stopWith(done);

  // A trial that goes on counts once, whoever worked on it before.
  const isNew = next === undefined || next.attempts === 0;
  if (isNew && limit !== undefined && begun >= limit)
    return stopWith({ stopped: "trials", reason: `All ${limit} trials were begun.` });
  // What is suggested depends on the trials as they are after these entries: so it does where they are read again.
  const known = { ...context, state: { ...state, trials: resumed.trials } };
  const decided =
    next === undefined ? beginNew(known, { ...request, limit }, entries) : beginNext(known, next, { limit, entries });
  return withReservation(context, decided, lost, stopWith);
}

function beginNext(
  context: EngineContext,
  next: Trial,
  { limit, entries: before }: { readonly limit: number | undefined; readonly entries: readonly JournalEntry[] },
): Decision<Begun> {
  const { clock, worker } = context;
  const entries = [...before];
  if (next.partial === true) entries.push(completedParams(context, next, limit));
  entries.push({ kind: "begin", number: next.number, worker, timeMs: clock.nowMs() });
  return { entries, result: (trials) => ({ trial: trials[next.number] as Trial }) };
}

/** Sets aside what the trial that begins is expected to cost; none begins where that cannot be had. */
function withReservation(
  context: EngineContext,
  decided: Decision<Begun>,
  lost: readonly Trial[],
  stopWith: (stop: Stop) => Decision<Begun>,
): Decision<Begun> {
  try {
    return { ...decided, entries: reserveForBegin(context, decided.entries, lost) };
  } catch (error) {
    if (!hasCode(error, "PORT_BUDGET_EXHAUSTED")) throw error;
    return stopWith({ stopped: "budget", reason: error.message, error });
  }
}

function beginNew(
  context: EngineContext,
  request: BeginRequest & { readonly limit: number | undefined },
  before: readonly JournalEntry[],
): Decision<Begun> {
  const { state, clock, worker } = context;
  const number = state.trials.length;
  const chosen = nextTrial(context, request);
  if (chosen.next === "wait") return { entries: before, result: () => ({ wait: true }) };
  if (chosen.next === "used-up") {
    const { reason = "Trials were begun for every point of the space." } = chosen;
    return { entries: before, result: () => ({ stop: { stopped: "space", reason } }) };
  }
  const entries = [...before, ...chosen.entries];
  if (chosen.next === "cached") return { entries, result: (trials) => ({ cached: trials[number] as Trial }) };
  entries.push({ kind: "begin", number, worker, timeMs: clock.nowMs() });
  return { entries, result: (trials) => ({ trial: trials[number] as Trial }) };
}

const leastOf = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);

/** The parameters that an enqueued trial was not given. */
function completedParams(context: EngineContext, { number, params }: Trial, limit: number | undefined): JournalEntry {
  const { params: all, explanation } = suggest(context, number, { limit, fixed: params });
  return { kind: "params", number, params: all, explanation, timeMs: context.clock.nowMs() };
}

/** Trials whose worker died. */
async function lostTrials({ state, lease }: EngineContext): Promise<readonly Trial[]> {
  const running = [...state.running].map((number) => state.trials[number] as Trial);
  const workers = new Set(running.map(({ worker }) => worker));
  const dead = new Set<string | undefined>();
  for (const worker of workers) if (worker !== undefined && (await lease.isDead(worker))) dead.add(worker);
  return running.filter(({ worker }) => dead.has(worker));
}

function afterEntries(trials: readonly Trial[], changes: readonly TrialChange[]): readonly Trial[] {
  if (changes.length === 0) return trials;
  const changed = [...trials];
  for (const change of changes) changed[change.number] = afterEntry(changed[change.number] as Trial, change);
  return changed;
}

/** It waits to be begun again, with its checkpoint, unless it has ended its worker too often: it may be the trial that does. */
function afterLoss({ clock, maxAttempts, state }: EngineContext, trial: Trial): TrialChange {
  const { number, losses = 0 } = trial;
  const timeMs = clock.nowMs();
  const spending = state.spending(number);
  const unseen = lostOf(trial, spending);
  const lost = unseen === undefined ? {} : { lost: unseen };
  if (losses + 1 < maxAttempts)
    return { kind: "reclaim", number, reason: "its worker died", failure: "worker-lost", ...lost, timeMs };
  const cost = unseen === undefined ? {} : { cost: plus(spending.attempt, unseen) };
  const reason = `its worker died in each of ${maxAttempts} attempts`;
  return { kind: "end", number, result: { state: "failed", reason, failure: "worker-lost", ...cost }, timeMs };
}
