import { createEncoding } from "../samplers/encoding.ts";
import type { Params } from "../space.ts";
import type { Explanation, Trial } from "../trial.ts";
import type { StudyRecord } from "./record.ts";
import { distanceOf } from "./simulate.ts";

/** A trial that was known when another was suggested. */
export interface Neighbour {
  readonly trial: number;
  /** In the unit cube of the space, per dimension: 0 for the same parameters, at most 1. */
  readonly distance: number;
  /** The first objective, where it was known already or is now. */
  readonly value: number | undefined;
}

/** Why a trial has its parameters, and why it ended; JSON-safe. */
export interface TrialExplanation {
  readonly trial: number;
  readonly params: Params;
  /** Which sampler, and what it computed: for TPE the log ratio of its two densities, for a Gaussian process the expected improvement. */
  readonly suggestion: Explanation;
  /** Trials with smaller numbers, the nearest first. */
  readonly nearest: readonly Neighbour[];
  readonly state: Trial["state"];
  readonly reason: string | undefined;
  /** The rule and the numbers that stopped or paused it; `replayStudy` derives them again. */
  readonly verdict: Explanation | undefined;
}

/**
 * Everything that is known of why a trial was made and stopped.
 * @param nearest How many neighbours are named. Default: 3.
 */
export function explainTrial(
  { space, trials }: Pick<StudyRecord, "space" | "trials">,
  number: number,
  { nearest = 3 }: { readonly nearest?: number | undefined } = {},
): TrialExplanation {
  const trial = trials[number];
  if (trial === undefined) throw new RangeError(`The study has no trial ${String(number)}.`);
  if (!Number.isInteger(nearest) || nearest < 0)
    throw new RangeError(`nearest is ${String(nearest)}; it must be a whole number from 0.`);
  const encoding = createEncoding(space);
  const point = encoding.encode(trial.params);
  const neighbours = trials
    .filter((other) => other.number < trial.number)
    .map((other) => ({
      trial: other.number,
      distance: distanceOf(point, encoding.encode(other.params), encoding.dimensions),
      value: other.values?.[0] ?? other.value,
    }))
    .toSorted((a, b) => a.distance - b.distance || a.trial - b.trial)
    .slice(0, nearest);
  const { params, explanation: suggestion, state, reason, verdict } = trial;
  return { trial: number, params, suggestion, nearest: neighbours, state, reason, verdict };
}
