import { createRandom } from "@millwright/contracts";
import { lossOf } from "../outcome.ts";
import { createEncoding } from "../samplers/encoding.ts";
import type { Params } from "../space.ts";
import { createStudyState } from "../study-state.ts";
import type { Explanation, Pruner, PruneVerdict, Sampler, SuggestContext, Trial } from "../trial.ts";
import { type StudyHistory, contextOf, headerOf } from "./replay.ts";

/** A trial that a pruner would not have let come to its recorded end. */
export interface SimulatedStop {
  readonly trial: number;
  /** The last step it would have had. */
  readonly step: number;
  /** `paused`: until the end of the study. */
  readonly state: "pruned" | "paused";
  readonly reason: string;
  readonly explanation: Explanation;
}

export interface PrunerSimulation {
  /** By trial. */
  readonly stopped: readonly SimulatedStop[];
  /** Reports in the record, and those made until the stops. */
  readonly stepsRecorded: number;
  readonly stepsUsed: number;
  /** As a share of the recorded ones, in [0, 1]. */
  readonly saved: number;
  /** The trial that would have been best; `undefined` where none would have completed. */
  readonly best: number | undefined;
  /** By how much the best value of the record is better, from 0; `undefined` where there is none. */
  readonly regret: number | undefined;
  /** Trials that were stopped in the record, and go on here as far as it knows: what would have become of them is not known. */
  readonly censored: readonly number[];
}

/**
 * What another pruner would have done with the curves of a recorded study, without training: it judges each report from what it would itself have left of the
 * others. Reports come in the recorded order; of a pruner that pauses, one trial at a time, promoted ones first.
 */
export function simulatePruner(recorded: StudyHistory, pruner: Pruner): PrunerSimulation {
  const recordedTrials = trialsOf(recorded);
  const simulated = pruner.promote === undefined ? inRecordedOrder(recorded, pruner) : oneByOne(recorded, pruner);
  const { direction } = contextOf(recorded.name, recorded.history);
  const count = (trials: readonly Trial[]): number =>
    trials.reduce((sum, { intermediates }) => sum + intermediates.length, 0);
  const best = bestOf(simulated, direction);
  const recordedBest = bestOf(recordedTrials, direction);
  const stepsRecorded = count(recordedTrials);
  const stepsUsed = count(simulated);
  const stopped = simulated.flatMap((trial) => stopOf(trial, recordedTrials[trial.number] as Trial));
  return {
    stopped,
    stepsRecorded,
    stepsUsed,
    saved: stepsRecorded === 0 ? 0 : 1 - stepsUsed / stepsRecorded,
    best: best?.trial.number,
    regret: best === undefined || recordedBest === undefined ? undefined : best.loss - recordedBest.loss,
    censored: recordedTrials
      .filter(({ number, state }) => state === "pruned" && !stopped.some(({ trial }) => trial === number))
      .map(({ number }) => number),
  };
}

function trialsOf({ name, history }: StudyHistory): readonly Trial[] {
  const state = createStudyState(name);
  state.apply(history);
  return state.trials;
}

function bestOf(
  trials: readonly Trial[],
  direction: SuggestContext["direction"],
): { readonly trial: Trial; readonly loss: number } | undefined {
  let best: { readonly trial: Trial; readonly loss: number } | undefined;
  for (const trial of trials) {
    const loss = trial.state === "completed" ? lossOf(trial, direction) : undefined;
    if (loss !== undefined && (best === undefined || loss < best.loss)) best = { trial, loss };
  }
  return best;
}

function stopOf(trial: Trial, recorded: Trial): readonly SimulatedStop[] {
  const { number, state, verdict, intermediates, reason = "" } = trial;
  if (state !== "pruned" && state !== "paused") return [];
  // What was stopped in the record, at the same place or an earlier one, by the record's own pruner.
  if (
    recorded.state === state &&
    verdict === recorded.verdict &&
    intermediates.length === recorded.intermediates.length
  )
    return [];
  return [{ trial: number, step: intermediates.at(-1)?.[0] ?? 0, state, reason, explanation: verdict ?? {} }];
}

const stoppedBy = (trial: Trial, verdict: PruneVerdict): Trial | undefined => {
  if (!("explanation" in verdict)) return undefined;
  const { reason, explanation } = verdict;
  return { ...trial, state: verdict.prune ? "pruned" : "paused", reason, verdict: explanation };
};

function inRecordedOrder({ name, history }: StudyHistory, pruner: Pruner): readonly Trial[] {
  const seen = contextOf(name, history);
  const state = createStudyState(name);
  const stopped = new Map<number, Trial>();
  const left = (): readonly Trial[] => state.trials.map((trial) => stopped.get(trial.number) ?? trial);
  for (const entry of history) {
    state.apply([entry]);
    if (entry.kind !== "report" || stopped.has(entry.number)) continue;
    const trial = state.trials[entry.number] as Trial;
    const after = stoppedBy(trial, pruner.judge({ ...seen, trial, trials: left() }));
    if (after !== undefined) stopped.set(entry.number, { ...after, endedMs: entry.timeMs });
  }
  return left();
}

/** One worker: what is promoted goes on along its recorded curve, else the next recorded trial begins. */
function oneByOne(recorded: StudyHistory, pruner: Pruner): readonly Trial[] {
  const seen = contextOf(recorded.name, recorded.history);
  const curves = trialsOf(recorded);
  let trials: readonly Trial[] = [];
  const plannedTrials = curves.length;
  for (;;) {
    const promoted = pruner.promote?.({ ...seen, trials, plannedTrials });
    const number = promoted ?? trials.length;
    const curve = curves[number];
    if (curve === undefined) return trials;
    const before = trials[number] ?? { ...curve, state: "waiting", intermediates: [], verdict: undefined, attempts: 0 };
    let trial: Trial = { ...before, state: "running", attempts: before.attempts + 1, endedMs: undefined };
    const put = (): void => {
      trials = number < trials.length ? trials.with(number, trial) : [...trials, trial];
    };
    put();
    for (const report of curve.intermediates.slice(trial.intermediates.length)) {
      trial = { ...trial, intermediates: [...trial.intermediates, report] };
      put();
      const after = stoppedBy(trial, pruner.judge({ ...seen, trial, trials }));
      if (after === undefined) continue;
      trial = after;
      break;
    }
    if (trial.state === "running") trial = { ...curve, attempts: trial.attempts };
    put();
  }
}

export interface SamplerSimulationOptions {
  /** Suggestions to make, from 1. Default: as many as there are recorded trials with a value. */
  readonly trials?: number | undefined;
  /** Default: the recorded study's. */
  readonly seed?: number | undefined;
}

export interface SimulatedSuggestion {
  readonly suggested: Params;
  /** The recorded trial that stands for it. */
  readonly trial: number;
  /** Between the two, in the unit cube of the space, per dimension: from 0, where the record has the very point, to 1. */
  readonly distance: number;
  readonly value: number;
  /** By how much the best value of the record is better than the best so far, from 0. */
  readonly regret: number;
}

/**
 * How another sampler would have searched, without training: each suggestion is given the value of the nearest recorded trial, by the first objective. On a space
 * that the record covers (a lookup table) this is exact; else the distances say how far it can be trusted.
 */
export function simulateSampler(
  recorded: StudyHistory,
  sampler: Sampler,
  options: SamplerSimulationOptions = {},
): readonly SimulatedSuggestion[] {
  const { space, seed: recordedSeed } = headerOf(recorded.history);
  const context = contextOf(recorded.name, recorded.history);
  const encoding = createEncoding(space);
  const table = trialsOf(recorded).flatMap((trial) => {
    const loss = trial.state === "completed" ? lossOf(trial, context.direction) : undefined;
    return loss === undefined ? [] : [{ trial, loss, point: encoding.encode(trial.params) }];
  });
  const { trials: planned = table.length, seed = recordedSeed } = options;
  if (!Number.isInteger(planned) || planned < 0)
    throw new RangeError(`trials is ${String(planned)}; it must be a whole number from 0.`);
  if (table.length === 0) throw new TypeError("Nothing can be looked up: the record has no completed trial.");
  const least = table.reduce((low, { loss }) => Math.min(low, loss), Infinity);
  const trials: Trial[] = [];
  const steps: SimulatedSuggestion[] = [];
  let best = Infinity;
  for (let number = 0; number < planned; number += 1) {
    const seen: SuggestContext = { ...context, trials, plannedTrials: planned };
    const { params, explanation } = sampler.suggest(space, seen, createRandom(seed).fork(`trial/${number}`));
    const point = encoding.encode(params);
    let nearest = { entry: table[0] as (typeof table)[number], distance: Infinity };
    for (const entry of table) {
      const distance = distanceOf(point, entry.point, encoding.dimensions);
      if (distance < nearest.distance) nearest = { entry, distance };
    }
    const { trial, loss } = nearest.entry;
    best = Math.min(best, loss);
    // The sampler learns what was measured, where it was measured.
    trials.push({ ...trial, number, explanation });
    const value = context.direction === "minimize" ? loss : -loss;
    steps.push({ suggested: params, trial: trial.number, distance: nearest.distance, value, regret: best - least });
  }
  return steps;
}

/** Root mean square over dimensions; two categories are 1 apart. */
export function distanceOf(
  a: Float64Array,
  b: Float64Array,
  dimensions: ReturnType<typeof createEncoding>["dimensions"],
): number {
  let sum = 0;
  for (const [index, { kind }] of dimensions.entries()) {
    const apart = (a[index] as number) - (b[index] as number);
    sum += kind === "categorical" ? Number(apart !== 0) : apart * apart;
  }
  return dimensions.length === 0 ? 0 : Math.sqrt(sum / dimensions.length);
}
