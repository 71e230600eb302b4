import type { Amount } from "@millwright/contracts";
import { minus } from "../execute/amounts.ts";
import type { StudyState } from "../study-state.ts";
import type { Decision } from "../decider.ts";
import { valueInvalid, valuesDiffer } from "../errors.ts";
import type { JournalEntry, TrialResult } from "../journal.ts";
import type { PruneVerdict, Trial } from "../trial.ts";
import { type EngineContext, knownTrial, nothing, runningTrial, seenBy } from "./context.ts";
import { actionFor, failureKinds } from "./failures.ts";

/** What a trial says while it runs. */
export interface Report {
  readonly step: number;
  readonly value: number;
  readonly checkpoint: string | undefined;
}

/** Throws `TUNER_VALUE_INVALID`, TypeError for what is no result. */
export function checkResult({ directions }: EngineContext, number: number, result: TrialResult): void {
  if (result.state === "completed") {
    const { value, values = [value as number], constraints = [] } = result;
    if (!Array.isArray(values) || !Array.isArray(constraints))
      throw new TypeError(`The values and constraints of trial ${number} must be lists of numbers.`);
    if (values.length !== directions.length) throw valuesDiffer(number, values.length, directions.length);
    for (const told of [...(values as readonly number[]), ...(constraints as readonly number[])])
      if (typeof told !== "number" || Number.isNaN(told)) throw valueInvalid(`A value of trial ${number}`, told);
  } else if (result.state === "failed" && result.failure !== undefined && !failureKinds.includes(result.failure))
    throw new RangeError(
      `The failure of trial ${number} is ${String(result.failure)}; kinds are ${failureKinds.join(", ")}.`,
    );
  else if (!["pruned", "paused", "failed"].includes(result.state) || typeof result.reason !== "string")
    throw new TypeError(
      `The result of trial ${number} must be completed with a value, or pruned, paused or failed with a reason.`,
    );
}

/** Throws `TUNER_VALUE_INVALID`, TypeError for a checkpoint that is no text. NaN is a value here: a curve may have it. */
function checkReport(number: number, { step, value, checkpoint }: Report): void {
  if (typeof step !== "number" || !Number.isFinite(step))
    throw valueInvalid(`The step of a report of trial ${number}`, step);
  if (typeof value !== "number") throw valueInvalid(`The value of a report of trial ${number}`, value);
  if (checkpoint !== undefined && typeof checkpoint !== "string")
    throw new TypeError(`The checkpoint of trial ${number} is ${typeof checkpoint}, not a text.`);
}

/** @param attempt Whose report it is: a worker that lost the trial to another is told so. */
export function decideReport(
  context: EngineContext,
  number: number,
  report: Report,
  attempt?: number,
): Decision<PruneVerdict> {
  const { clock, pruner } = context;
  checkReport(number, report);
  const { step, value, checkpoint } = report;
  runningTrial(context, number, attempt);
  const kept = checkpoint === undefined ? {} : { checkpoint };
  return {
    entries: [{ kind: "report", number, step, value, ...kept, timeMs: clock.nowMs() }],
    result: (trials) => {
      // What is evaluated again is evaluated to the end: a mean of what was not stopped would be better than the truth.
      if (trials[number]?.repeatOf !== undefined) return { prune: false };
      const verdict = pruner?.judge({ ...seenBy(context), trial: trials[number] as Trial, trials }) ?? { prune: false };
      context.verdicts.set(number, verdict);
      return verdict;
    },
  };
}

/** What became of a trial: it ended, or the study's policy has it begun again. */
export type Ended = "ended" | "again";

export function decideEnd(
  context: EngineContext,
  number: number,
  told: TrialResult,
  attempt?: number,
): Decision<Ended> {
  checkResult(context, number, told);
  const result = withVerdict(inOneForm(told), context.verdicts.get(number));
  const known = knownTrial(context, number);
  if (isSameResult(known, result)) return { entries: [], result: () => "ended" };
  if (wasRetried(known, result)) return { entries: [], result: () => "again" };
  const trial = runningTrial(context, number, attempt);
  const { entry, ended } = endOf(context, trial, result);
  const forget = (): Ended => {
    context.verdicts.delete(number);
    return ended;
  };
  return { entries: [entry], result: forget };
}

/** What the study's policy makes of a result. */
function endOf(
  { clock, onFailure, maxRetries, state }: EngineContext,
  { number, retries = 0 }: Trial,
  result: TrialResult,
): { readonly entry: JournalEntry; readonly ended: Ended } {
  const timeMs = clock.nowMs();
  if (result.state !== "failed") return { entry: { kind: "end", number, result, timeMs }, ended: "ended" };
  const { reason, failure = "throw", cost } = result;
  const action = actionFor(onFailure, failure);
  if (action === "retry" && retries < maxRetries)
    return {
      entry: { kind: "reclaim", number, reason, failure, ...uncounted(state, number, cost), timeMs },
      ended: "again",
    };
  const failed = { state: "failed", reason, failure, ...(cost === undefined ? {} : { cost }) } as const;
  const kept = action === "impute-worst" ? ({ ...failed, imputed: true } as const) : failed;
  return { entry: { kind: "end", number, result: kept, timeMs }, ended: "ended" };
}

/** What an attempt cost beyond what was counted on the way. */
function uncounted(state: StudyState, number: number, cost: Amount | undefined): { readonly lost?: Amount } {
  return cost === undefined ? {} : { lost: minus(cost, state.spending(number).attempt) };
}

/** Keeps what the pruner said with a trial that stops because of it. */
function withVerdict(result: TrialResult, said: PruneVerdict | undefined): TrialResult {
  if ((result.state !== "pruned" && result.state !== "paused") || result.verdict !== undefined) return result;
  const stops = said !== undefined && (result.state === "pruned" ? said.prune : !said.prune && said.pause === true);
  return stops && "explanation" in said ? { ...result, verdict: said.explanation } : result;
}

/** The same failure, told a second time. */
const wasRetried = ({ state, retries = 0, reason }: Trial, result: TrialResult): boolean =>
  state === "waiting" && retries > 0 && result.state === "failed" && result.reason === reason;

export function decideReclaim(
  context: EngineContext,
  number: number,
  reason: string,
  { attempt, lost }: { readonly attempt?: number | undefined; readonly lost?: Amount | undefined } = {},
): Decision<void> {
  const { state, attempts } = knownTrial(context, number);
  if (state !== "running" || (attempt !== undefined && attempt !== attempts)) return nothing;
  return {
    ...nothing,
    entries: [
      { kind: "reclaim", number, reason, ...(lost === undefined ? {} : { lost }), timeMs: context.clock.nowMs() },
    ],
  };
}

/** One objective is told as `value`, several as `values`. */
export function inOneForm(result: TrialResult): TrialResult {
  if (result.state !== "completed" || result.values === undefined) return result;
  const { value: _value, values, ...rest } = result;
  return values.length === 1 ? { ...rest, value: values[0] } : { ...rest, values };
}

function isSameResult(trial: Trial, result: TrialResult): boolean {
  if (trial.state !== result.state) return false;
  if (result.state !== "completed") return trial.reason === result.reason;
  const { values = [result.value] } = result;
  return values.every((value, index) => value === trial.values?.[index]);
}
