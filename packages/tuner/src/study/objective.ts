import type { TrialHandle } from "@millwright/contracts";
import type { CompletedResult, TrialResult } from "../journal.ts";

/** What an objective may give: its value, its values in the order of the study's directions, or these with what else was measured. */
export type Outcome = number | readonly number[] | Omit<CompletedResult, "state">;

/** An intermediate value; a number alone is the value of the next step, counted from 0. */
export type Intermediate =
  | number
  | { readonly step: number; readonly value: number; readonly checkpoint?: string | undefined };

/**
 * What is searched: gives the value of a trial's parameters; or gives its intermediate values one by one, each of which is reported, and returns the last word,
 * without one the last value. A trial that was told to prune counts as pruned however this settles. One that was told to pause is paused, unless it reported again
 * and heard otherwise: it is called again, with the checkpoint it reported, when it is promoted. One that is iterated is ended where it is.
 */
export type ObjectiveOf<Handle> = (trial: Handle) => Promise<Outcome | Intermediates> | Outcome | Intermediates;

/** As an `async function*` gives. */
export type Intermediates = AsyncIterable<Intermediate, Outcome | void, undefined>;

/** How the objective ended; with the error where it gave NaN. Throws what it throws. */
export async function outcomeOf<Handle extends Pick<TrialHandle, "report">>(
  handle: Handle,
  objective: ObjectiveOf<Handle>,
): Promise<{ readonly result: TrialResult; readonly error?: unknown }> {
  const given = await objective(handle);
  const outcome = isIterable(given) ? await iterate(handle, given) : given;
  const result = resultOf(outcome);
  if (![result.value, ...(result.values ?? []), ...(result.constraints ?? [])].some(Number.isNaN)) return { result };
  const error = new RangeError("The objective gave NaN.");
  return { result: { state: "failed", reason: error.message, failure: "nan" }, error };
}

const isIterable = (given: Outcome | Intermediates): given is Intermediates =>
  typeof given === "object" && given !== null && Symbol.asyncIterator in given;

/** Reports each value until there is no other, or the verdict is to stop. */
async function iterate(handle: Pick<TrialHandle, "report">, values: Intermediates): Promise<Outcome> {
  const iterator = values[Symbol.asyncIterator]();
  let nextStep = 0;
  let last: number | undefined;
  for (;;) {
    const { done, value } = await iterator.next();
    if (done === true) {
      if (value !== undefined) return value;
      if (last === undefined) throw new TypeError("The objective gave no intermediate value and returned none.");
      return last;
    }
    const { step, value: reported, checkpoint } = typeof value === "number" ? { step: nextStep, value } : value;
    const verdict = await handle.report(step, reported, { checkpoint });
    last = reported;
    nextStep = step + 1;
    if (verdict !== "continue") {
      await iterator.return?.();
      return last;
    }
  }
}

function resultOf(outcome: Outcome): CompletedResult {
  if (typeof outcome === "number") return { state: "completed", value: outcome };
  if (Array.isArray(outcome)) return { state: "completed", values: outcome as readonly number[] };
  if (typeof outcome !== "object" || outcome === null)
    throw new TypeError(
      `The objective gave ${String(outcome)}; it must give a number, a list of numbers or an object with them.`,
    );
  return { ...(outcome as Omit<CompletedResult, "state">), state: "completed" };
}
