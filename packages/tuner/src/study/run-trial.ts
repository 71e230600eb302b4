import { type Amount, type Budget, type Clock, type Reservation, hasCode } from "@millwright/contracts";
import { trialTimeout } from "../errors.ts";
import type { TrialResult } from "../journal.ts";
import type { Params, Space } from "../space.ts";
import type { StudyEngine } from "../study-engine.ts";
import type { Trial } from "../trial.ts";
import { type StudyTrial, createTrialHandle } from "../trial-handle.ts";
import type { Stop } from "./begin.ts";
import type { StopWhen } from "./completion.ts";
import { kindOfError } from "./failures.ts";
import { type ObjectiveOf, outcomeOf } from "./objective.ts";
import type { Unwritten } from "./unwritten.ts";

/** The trial as its objective sees it, and what is to be waited for before it ends. */
export interface OpenTrial<Handle> {
  readonly handle: Handle;
  settled(): Promise<void>;
}

export interface RunSettings<Handle> {
  readonly trials: number;
  readonly stopWhen?: StopWhen | undefined;
  readonly fixed?: Params | undefined;
  readonly trialTimeoutMs?: number | undefined;
  readonly budget: Budget | undefined;
  readonly trialCost: Amount | undefined;
  readonly clock: Clock;
  readonly unwritten: Unwritten;
  readonly openTrial: (base: StudyTrial<Space>, trial: Trial) => OpenTrial<Handle>;
  readonly onTrial?: ((trial: Trial) => void) | undefined;
}

/** Why no trial begins, that others must end first, or how one ended: with its error, if it failed for good. */
export type TrialEnd =
  | { readonly stop: Stop | { readonly stopped: "budget"; readonly reason: string } }
  | { readonly wait: true }
  | { readonly failed: unknown };

const aborted: TrialEnd = { failed: undefined };

/** Runs one trial. */
export async function runTrial<Handle extends StudyTrial<Space>>(
  engine: StudyEngine,
  objective: ObjectiveOf<Handle>,
  settings: RunSettings<Handle>,
  signal: AbortSignal,
): Promise<TrialEnd> {
  const { budget, trialCost = { trials: 1 } } = settings;
  let reservation: Reservation | undefined;
  try {
    reservation = await budget?.reserve(trialCost, { signal });
  } catch (error) {
    if (hasCode(error, "PORT_BUDGET_EXHAUSTED"))
      return { stop: { stopped: "budget", reason: error instanceof Error ? error.message : "" } };
    if (signal.aborted) return aborted;
    throw error;
  }
  let trial: Trial | undefined;
  try {
    const begun = await beginTrial(engine, settings, signal);
    if ("trial" in begun) trial = begun.trial;
    else return begun;
  } catch (error) {
    if (signal.aborted) return aborted;
    throw error;
  } finally {
    if (trial === undefined) await reservation?.release();
  }
  const failed = await settleTrial(engine, trial, objective, settings, signal, reservation);
  await reservation?.commit(trialCost);
  const ended = engine.state.trials[trial.number];
  if (ended !== undefined && ended.state !== "waiting" && ended.state !== "running") settings.onTrial?.(ended);
  return { failed };
}

/** So many trials in a row may get cached values; then others are looked for, lest a sampler that is sure of itself go on for ever. */
const mostCachedInARow = 50;

async function beginTrial<Handle>(
  engine: StudyEngine,
  { trials: limit, stopWhen, fixed, onTrial }: RunSettings<Handle>,
  signal: AbortSignal,
): Promise<{ readonly trial: Trial } | { readonly stop: Stop } | { readonly wait: true }> {
  for (let cached = 0; ; cached += 1) {
    const begun = await engine.begin({ limit, stopWhen, fixed, skipsCached: cached >= mostCachedInARow }, signal);
    if (!("cached" in begun)) return begun;
    onTrial?.(begun.cached);
  }
}

/** Runs the objective and writes down how it ended. @returns its error, if the trial failed for good. */
async function settleTrial<Handle extends StudyTrial<Space>>(
  engine: StudyEngine,
  trial: Trial,
  objective: ObjectiveOf<Handle>,
  settings: RunSettings<Handle>,
  signal: AbortSignal,
  budget: Budget | undefined,
): Promise<unknown> {
  const own = new AbortController();
  const either = AbortSignal.any([signal, own.signal]);
  const onLost = (error: unknown): void => own.abort(error);
  const base = createTrialHandle<Space>(engine, trial, { signal: either, budget, onLost });
  const { handle, settled } = settings.openTrial(base, trial);
  const { number, attempts: attempt } = trial;
  const end = async (result: TrialResult, error?: unknown): Promise<unknown> => {
    const ended = await settings.unwritten.keep(number, attempt, result, () => engine.end(number, result, { attempt }));
    return ended === "ended" ? error : undefined;
  };
  let result: TrialResult;
  let failure: unknown;
  try {
    // It may have been stopped while the trial began: an objective that only listens would never hear of it.
    signal.throwIfAborted();
    const outcome = await within(settings, own, number, () => outcomeOf(handle, objective));
    await settled();
    result = outcome.result;
    failure = outcome.error;
  } catch (error) {
    if (hasCode(error, "TUNER_TRIAL_LOST")) return undefined;
    const reason = error instanceof Error ? error.message : String(error);
    result = {
      state: "failed",
      reason,
      failure: hasCode(error, "TUNER_TRIAL_TIMEOUT") ? "timeout" : kindOfError(error),
    };
    failure = error;
  }
  if (own.signal.aborted && hasCode(own.signal.reason, "TUNER_TRIAL_LOST")) return undefined;
  const { pruned, paused } = handle;
  if (pruned !== undefined) return end({ state: "pruned", reason: pruned.reason }).catch(unlessLost);
  if (paused !== undefined) return end({ state: "paused", reason: paused.reason }).catch(unlessLost);
  if (!signal.aborted) return end(result, failure).catch(unlessLost);
  await settings.unwritten.keep(number, attempt, undefined, () =>
    engine.reclaim(number, "the study was stopped", attempt),
  );
  return undefined;
}

/** Another worker has the trial, or has ended it: its word counts. */
function unlessLost(error: unknown): undefined {
  if (hasCode(error, "TUNER_TRIAL_LOST") || hasCode(error, "TUNER_TRIAL_FINISHED")) return undefined;
  throw error;
}

/** Ends the wait for `work` after the trial's time; what it still does is nobody's. */
async function within<Result, Handle>(
  { trialTimeoutMs: limitMs, clock }: RunSettings<Handle>,
  own: AbortController,
  number: number,
  work: () => Promise<Result>,
): Promise<Result> {
  if (limitMs === undefined) return work();
  const done = new AbortController();
  const timeout = clock.sleep(limitMs, { signal: done.signal }).then((): never => {
    const error = trialTimeout(number, limitMs);
    own.abort(error);
    throw error;
  });
  const working = work();
  try {
    return await Promise.race([working, timeout]);
  } finally {
    done.abort();
    timeout.catch(() => {});
    working.catch(() => {});
  }
}
