import { hasCode } from "@millwright/contracts";
import type { TrialEntry } from "../journal.ts";
import type { Params } from "../space.ts";
import type { Suggestion, Trial } from "../trial.ts";
import type { EngineContext } from "./context.ts";
import { mostPoints, pointsOf } from "./duplicates.ts";
import { isAllowed } from "../space-constraints.ts";
import { nextNoiseStep } from "./noise.ts";
import { type TimedSuggestion, drawUniformly, hasValues, streamOf, suggest } from "./suggestion.ts";

/** What begins next where nothing waits: new trials, of which the first begins; one with a cached result; or none, and why. */
export type NextTrial =
  | { readonly next: "begin" | "cached"; readonly entries: readonly TrialEntry[] }
  | { readonly next: "wait" }
  | { readonly next: "used-up"; readonly reason?: string | undefined };

export interface NextTrialOptions {
  /** All trials of the study that may be begun. */
  readonly limit: number | undefined;
  /** Values that the trial's parameters shall have. */
  readonly fixed?: Params | undefined;
  /** Duplicates are skipped even where cached values could be used: many were in a row. */
  readonly skipsCached?: boolean | undefined;
}

export function nextTrial(context: EngineContext, options: NextTrialOptions): NextTrial {
  const { state, noise, directions, duplicates } = context;
  if (noise !== undefined) {
    const left = (options.limit ?? Infinity) - state.begun;
    const step = nextNoiseStep(noise, state.trials, directions[0] ?? "minimize", left);
    if (step.step === "wait") return { next: "wait" };
    if (step.step === "repeat") return { next: "begin", entries: [repeatOf(context, step.trial)] };
    if (step.step === "retest") return { next: "begin", entries: retests(context, step.trials, left) };
  }
  try {
    const suggestion = suggest(context, state.trials.length, options);
    // What goes on from a checkpoint is not tried again.
    if (context.dynamic || duplicates === "allow" || suggestion.checkpoint !== undefined)
      return { next: "begin", entries: [entryOf(context, suggestion)] };
    return withoutDuplicate(context, suggestion, options);
  } catch (error) {
    // A sampler that has an end, as a grid has, says so.
    if (hasCode(error, "TUNER_STUDY_EXHAUSTED")) return { next: "used-up", reason: error.message };
    throw error;
  }
}

/** The sampler is asked so often for parameters that are new, then chance is. */
const mostRedraws = 4;
/** Larger spaces are not listed. */
const mostListed = 100_000;
const mostDraws = 1_000;

function withoutDuplicate(context: EngineContext, suggestion: TimedSuggestion, options: NextTrialOptions): NextTrial {
  const { duplicates, tried, state } = context;
  const number = state.trials.length;
  let found: TimedSuggestion = suggestion;
  for (let redraw = 1; redraw <= mostRedraws + 1; redraw += 1) {
    const [same] = tried.of(found.params);
    if (same === undefined) return { next: "begin", entries: [entryOf(context, found)] };
    if (duplicates === "re-evaluate-for-noise")
      return { next: "begin", entries: [repeatOf(context, rootOf(context, same))] };
    const cached = cachedTrial(context, found, options);
    if (cached !== undefined) return cached;
    if (redraw <= mostRedraws) found = suggest(context, number, { ...options, redraw });
  }
  const untried = untriedPoint(context, options);
  if (untried !== undefined) {
    const explanation = { sampler: "untried", instead: String(suggestion.explanation["sampler"] ?? "") };
    return { next: "begin", entries: [entryOf(context, { params: untried, explanation })] };
  }
  if (duplicates !== "reuse-cached" || options.limit === undefined || options.limit === Infinity)
    return { next: "used-up" };
  const completed = state.trials.find(({ state: ended, values }) => ended === "completed" && values !== undefined);
  const again = completed === undefined ? undefined : cachedTrial(context, completed, options);
  if (again !== undefined) return again;
  return state.running.size > 0 ? { next: "wait" } : { next: "used-up" };
}

const rootOf = ({ state }: EngineContext, number: number): number => state.trials[number]?.repeatOf ?? number;

/** A trial with the values that the same parameters gave, where they completed. */
function cachedTrial(context: EngineContext, suggestion: Suggestion, options: NextTrialOptions): NextTrial | undefined {
  const { duplicates, tried, state } = context;
  if (duplicates !== "reuse-cached") return undefined;
  // Without an end, a space that is used up would be recorded for ever.
  const isEndless = options.limit === undefined || options.limit === Infinity || options.skipsCached === true;
  const from = tried.of(suggestion.params).find((number) => state.trials[number]?.state === "completed");
  const known = from === undefined ? undefined : state.trials[from];
  if (known?.values === undefined || isEndless) return undefined;
  const { constraintValues: constraints } = known;
  const result = {
    state: "completed" as const,
    ...(known.value === undefined ? { values: known.values } : { value: known.value }),
    ...(constraints === undefined ? {} : { constraints }),
  };
  return { next: "cached", entries: [{ ...entryOf(context, suggestion), cachedFrom: known.number, result }] };
}

/** A point of the space that no trial had; any, where there are too many to list. */
function untriedPoint(context: EngineContext, options: NextTrialOptions): Params | undefined {
  const { space, constraints, tried, state } = context;
  const random = streamOf(context, state.trials.length).fork("untried");
  const fixed = options.fixed ?? {};
  if (mostPoints(space) <= mostListed) {
    const left: Params[] = [];
    for (const point of pointsOf(space))
      if (hasValues(point, fixed) && isAllowed(constraints, point) && tried.of(point).length === 0) left.push(point);
    return left.length === 0 ? undefined : left[random.integer(left.length)];
  }
  for (let draw = 0; draw < mostDraws; draw += 1) {
    const point = drawUniformly(context, fixed, random);
    if (tried.of(point).length === 0) return point;
  }
  return undefined;
}

function entryOf({ state, clock, dynamic }: EngineContext, suggestion: TimedSuggestion): TrialEntry {
  const { params, explanation, checkpoint, after } = suggestion;
  const number = state.trials.length;
  const values = dynamic ? { params: {}, proposed: params } : { params };
  const from = checkpoint === undefined ? {} : { checkpoint };
  const late = after === undefined ? {} : { suggestedAfter: after };
  return { kind: "trial", number, ...values, explanation, ...from, ...late, timeMs: clock.nowMs() };
}

/** Evaluates the parameters of a trial again. */
function repeatOf(context: EngineContext, first: number): TrialEntry {
  const { params, explanation } = context.state.trials[first] as Trial;
  const sampler = explanation["sampler"];
  return {
    ...entryOf(context, {
      params,
      explanation: { sampler: "repeat", ...(sampler === undefined ? {} : { of: sampler }) },
    }),
    repeatOf: first,
  };
}

/** As many tests as there are trials left for, seed by seed. */
function retests(context: EngineContext, numbers: readonly number[], left: number): readonly TrialEntry[] {
  const repeats = Math.max(1, Math.min(context.noise?.retests ?? 1, Math.floor(left / numbers.length)));
  return Array.from({ length: repeats }, (_, retest) =>
    numbers.map((number, index) => ({
      ...repeatOf(context, number),
      number: context.state.trials.length + retest * numbers.length + index,
      retest,
    })),
  ).flat();
}
