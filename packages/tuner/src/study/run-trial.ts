import {
  type Amount,
  type Budget,
  type Clock,
  type Reservation,
  type TrialHandle,
  hasCode,
} from "@millwright/contracts";
import type { CompletedResult } from "../journal.ts";
import type { ParamsOf, Space } from "../space.ts";
import type { StudyEngine } from "../study-engine.ts";
import type { Trial } from "../trial.ts";
import { type StudyTrial, createTrialHandle } from "../trial-handle.ts";

/** What an objective may give: its value, its values in the order of the study's directions, or these with what else was measured. */
export type Outcome = number | readonly number[] | Omit<CompletedResult, "state">;

/**
 * What is searched: gives the value of a trial's parameters. A trial that was told to prune counts as pruned however this settles. One that was told to pause is
 * paused, unless it reported again and heard otherwise: it is called again, with the checkpoint it reported, when it is promoted.
 */
export type Objective<S extends Space> = (trial: TrialHandle<ParamsOf<S>>) => Promise<Outcome> | Outcome;

export interface RunSettings {
  readonly trials: number;
  readonly budget: Budget | undefined;
  readonly trialCost: Amount | undefined;
  readonly clock: Clock;
  readonly onTrial?: ((trial: Trial) => void) | undefined;
}

/** Runs one trial. @returns why none could begin, or, once it ended, its error if it failed. */
export async function runTrial<S extends Space>(
  engine: StudyEngine,
  objective: Objective<S>,
  settings: RunSettings,
  signal: AbortSignal,
): Promise<"trials" | "budget" | { readonly failed: unknown }> {
  const { budget, trialCost = { trials: 1 }, trials: limit, onTrial } = settings;
  let reservation: Reservation | undefined;
  try {
    reservation = await budget?.reserve(trialCost, { signal });
  } catch (error) {
    if (hasCode(error, "PORT_BUDGET_EXHAUSTED")) return "budget";
    if (signal.aborted) return { failed: undefined };
    throw error;
  }
  let began: Trial;
  try {
    began = await engine.begin(limit, signal);
  } catch (error) {
    await reservation?.release();
    if (hasCode(error, "TUNER_STUDY_EXHAUSTED")) return "trials";
    if (signal.aborted) return { failed: undefined };
    throw error;
  }
  const handle = createTrialHandle<S>(engine, began, { signal, budget: reservation });
  const failed = await settleTrial(engine, handle, objective, signal);
  await reservation?.commit(trialCost);
  const ended = (await engine.trials())[handle.number];
  if (ended !== undefined && ended.state !== "waiting") onTrial?.(ended);
  return { failed };
}

/** Runs the objective and writes down how it ended. @returns its error, if the trial failed. */
async function settleTrial<S extends Space>(
  engine: StudyEngine,
  handle: StudyTrial<S>,
  objective: Objective<S>,
  signal: AbortSignal,
): Promise<unknown> {
  try {
    // It may have been stopped while the trial began: an objective that only listens would never hear of it.
    signal.throwIfAborted();
    const outcome = await objective(handle);
    if (!isStopped(handle) && !signal.aborted) {
      const result = resultOf(outcome);
      if ([result.value, ...(result.values ?? []), ...(result.constraints ?? [])].some(Number.isNaN)) {
        const error = new RangeError("The objective gave NaN.");
        await engine.end(handle.number, { state: "failed", reason: error.message });
        return error;
      }
      await engine.end(handle.number, result);
      return undefined;
    }
  } catch (error) {
    if (!isStopped(handle) && !signal.aborted) {
      await engine.end(handle.number, {
        state: "failed",
        reason: error instanceof Error ? error.message : String(error),
      });
      return error;
    }
  }
  if (handle.pruned !== undefined) await engine.end(handle.number, { state: "pruned", reason: handle.pruned.reason });
  else if (handle.paused !== undefined)
    await engine.end(handle.number, { state: "paused", reason: handle.paused.reason });
  else await engine.reclaim(handle.number, "the study was stopped");
  return undefined;
}

const isStopped = <S extends Space>({ pruned, paused }: StudyTrial<S>): boolean =>
  pruned !== undefined || paused !== undefined;

function resultOf(outcome: Outcome): CompletedResult {
  if (typeof outcome === "number") return { state: "completed", value: outcome };
  if (Array.isArray(outcome)) return { state: "completed", values: outcome as readonly number[] };
  return { ...(outcome as Omit<CompletedResult, "state">), state: "completed" };
}
