import type { Decision } from "../decider.ts";
import { paramsForbidden, valueInvalid, valuesDiffer } from "../errors.ts";
import type { TrialResult } from "../journal.ts";
import type { Params } from "../space.ts";
import { validateParams } from "../space-check.ts";
import { isAllowed } from "../space-constraints.ts";
import type { Explanation, PruneVerdict, Trial } from "../trial.ts";
import { type EngineContext, knownTrial, nothing, runningTrial, seenBy } from "./context.ts";

/** What a trial says while it runs. */
export interface Report {
  readonly step: number;
  readonly value: number;
  readonly checkpoint: string | undefined;
}

/** Throws `TUNER_VALUE_INVALID`, TypeError for what is no result. */
function checkResult({ directions }: EngineContext, number: number, result: TrialResult): void {
  if (result.state === "completed") {
    const { value, values = [value as number], constraints = [] } = result;
    if (!Array.isArray(values) || !Array.isArray(constraints))
      throw new TypeError(`The values and constraints of trial ${number} must be lists of numbers.`);
    if (values.length !== directions.length) throw valuesDiffer(number, values.length, directions.length);
    for (const told of [...(values as readonly number[]), ...(constraints as readonly number[])])
      if (typeof told !== "number" || Number.isNaN(told)) throw valueInvalid(`A value of trial ${number}`, told);
  } else if (!["pruned", "paused", "failed"].includes(result.state) || typeof result.reason !== "string")
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

export function decideReport(context: EngineContext, number: number, report: Report): Decision<PruneVerdict> {
  const { clock, pruner } = context;
  checkReport(number, report);
  const { step, value, checkpoint } = report;
  runningTrial(context, number);
  const kept = checkpoint === undefined ? {} : { checkpoint };
  return {
    entries: [{ kind: "report", number, step, value, ...kept, timeMs: clock.nowMs() }],
    result: (trials) => {
      const verdict = pruner?.judge({ ...seenBy(context), trial: trials[number] as Trial, trials }) ?? { prune: false };
      context.verdicts.set(number, verdict);
      return verdict;
    },
  };
}

export function decideEnd(context: EngineContext, number: number, told: TrialResult): Decision<void> {
  checkResult(context, number, told);
  const result = withVerdict(inOneForm(told), context.verdicts.get(number));
  if (isSameResult(knownTrial(context, number), result)) return nothing;
  runningTrial(context, number);
  return {
    entries: [{ kind: "end", number, result, timeMs: context.clock.nowMs() }],
    result: () => void context.verdicts.delete(number),
  };
}

/** Keeps what the pruner said with a trial that stops because of it. */
function withVerdict(result: TrialResult, said: PruneVerdict | undefined): TrialResult {
  if ((result.state !== "pruned" && result.state !== "paused") || result.verdict !== undefined) return result;
  const stops = said !== undefined && (result.state === "pruned" ? said.prune : !said.prune && said.pause === true);
  return stops && "explanation" in said ? { ...result, verdict: said.explanation } : result;
}

export function decideReclaim(context: EngineContext, number: number, reason: string): Decision<void> {
  if (knownTrial(context, number).state !== "running") return nothing;
  return { ...nothing, entries: [{ kind: "reclaim", number, reason, timeMs: context.clock.nowMs() }] };
}

export function decideEnqueue(context: EngineContext, params: Params, explanation: Explanation): Decision<number> {
  const { state, space, constraints, clock } = context;
  validateParams(space, params);
  if (!isAllowed(constraints, params)) throw paramsForbidden(params);
  const number = state.trials.length;
  return { entries: [{ kind: "trial", number, params, explanation, timeMs: clock.nowMs() }], result: () => number };
}

/** One objective is told as `value`, several as `values`. */
function inOneForm(result: TrialResult): TrialResult {
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
