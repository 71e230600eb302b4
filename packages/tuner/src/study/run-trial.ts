import { type Amount, type Budget, type Clock, type Reservation, hasCode } from "@millwright/contracts";
import { greater } from "../execute/amounts.ts";
import type { TrialCost } from "../execute/study-budget.ts";
import { openTrialWallet, reserveFor } from "../execute/trial-wallet.ts";
import type { AttemptCost, Wallet } from "../execute/wallet.ts";
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
  readonly trialCost: TrialCost | undefined;
  /** What a second of a trial costs. */
  readonly costPerSecond: Amount | undefined;
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

/** Not an error: the trial waits, with its checkpoint. */
const pausedForBudget: unique symbol = Symbol("paused for want of budget");
const outOfBudget = (reason: string): TrialEnd => ({ stop: { stopped: "budget", reason } });

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
    if (typeof trialCost !== "function") reservation = await budget?.reserve(trialCost, { signal });
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
  if (budget !== undefined && typeof trialCost === "function") {
    reservation = await reserveFor(engine, trial, trialCost, budget);
    if (reservation === undefined) return outOfBudget("What the trial is expected to cost is not left.");
  }
  const own = new AbortController();
  const wallet = openTrialWallet({ engine, trial, settings, reservation, stop: own });
  const failed = await settleTrial(engine, trial, objective, settings, { signal, own, wallet });
  if (failed === pausedForBudget) return outOfBudget("The budget has not what a trial may take next.");
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

interface Course {
  /** The search's. */
  readonly signal: AbortSignal;
  /** The trial's own. */
  readonly own: AbortController;
  readonly wallet: Wallet;
}

/** Runs the objective and writes down how it ended. @returns its error, if the trial failed for good. */
async function settleTrial<Handle extends StudyTrial<Space>>(
  engine: StudyEngine,
  trial: Trial,
  objective: ObjectiveOf<Handle>,
  settings: RunSettings<Handle>,
  { signal, own, wallet }: Course,
): Promise<unknown> {
  const either = AbortSignal.any([signal, own.signal]);
  const onLost = (error: unknown): void => own.abort(error);
  const base = createTrialHandle<Space>(engine, trial, { signal: either, wallet, onLost });
  const { handle, settled } = settings.openTrial(base, trial);
  const { number, attempts: attempt } = trial;
  let failure: unknown;
  let threw = false;
  const end = async (told: TrialResult, error?: unknown): Promise<unknown> => {
    const result = withCost(told, await wallet.close(threw && !either.aborted));
    const write = () => engine.end(number, result, { attempt });
    // What was spent is spent, whether or not it could be written down, or is another worker's trial by now.
    const ended = await settings.unwritten
      .keep(number, attempt, result, write)
      .finally(() => wallet.settle(result.cost));
    return ended === "ended" ? error : undefined;
  };
  let result: TrialResult;
  try {
    // It may have been stopped while the trial began: an objective that only listens would never hear of it.
    signal.throwIfAborted();
    const outcome = await within(settings, own, number, () => outcomeOf(handle, objective));
    await settled();
    // What the study refuses is the objective's failure.
    engine.checkResult(number, outcome.result);
    result = outcome.result;
    failure = outcome.error;
  } catch (error) {
    if (hasCode(error, "TUNER_TRIAL_LOST")) own.abort(error);
    threw = true;
    const reason = error instanceof Error ? error.message : String(error);
    result = {
      state: "failed",
      reason,
      failure: hasCode(error, "TUNER_TRIAL_TIMEOUT") ? "timeout" : kindOfError(error),
    };
    failure = error;
  }
  if (own.signal.aborted && hasCode(own.signal.reason, "TUNER_TRIAL_LOST")) {
    const { whole } = await wallet.close();
    await wallet.settle(whole);
    return undefined;
  }
  const { pruned, paused } = handle;
  if (pruned !== undefined) return end({ state: "pruned", reason: pruned.reason }).catch(unlessLost);
  if (paused !== undefined) return end({ state: "paused", reason: paused.reason }).catch(unlessLost);
  const isOutOfBudget = handle.isOutOfBudget || (threw && hasCode(own.signal.reason, "PORT_BUDGET_EXHAUSTED"));
  if (!signal.aborted && !isOutOfBudget) return end(result, failure).catch(unlessLost);
  const { whole, rest } = await wallet.close();
  const why = signal.aborted ? "the study was stopped" : "the budget is used up";
  await settings.unwritten.keep(number, attempt, undefined, () => engine.reclaim(number, why, attempt, rest));
  await wallet.settle(whole);
  return signal.aborted ? undefined : pausedForBudget;
}

/** With what the attempt cost in all. */
function withCost(result: TrialResult, { whole }: AttemptCost): TrialResult {
  const cost = whole === undefined ? result.cost : greater(result.cost, whole);
  return cost === undefined ? result : { ...result, cost };
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
