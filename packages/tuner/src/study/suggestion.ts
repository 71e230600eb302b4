import { type Random, createRandom } from "@millwright/contracts";
import type { TrialEntry } from "../journal.ts";
import type { Params, Parameter, Space } from "../space.ts";
import { drawParams, isAllowed } from "../space-constraints.ts";
import { isActive } from "../space-conditions.ts";
import { constraintsUnsatisfiable } from "../errors.ts";
import type { Suggestion, SuggestContext, Trial } from "../trial.ts";
import { type EngineContext, seenBy } from "./context.ts";
import { isSame, pick, projected } from "./definitions.ts";
import { shownToSampler } from "./imputation.ts";

/** The stream of a trial depends on the study's seed and the trial's number alone, so a restart suggests the same. */
export function streamOf({ state }: EngineContext, number: number): Random {
  return createRandom(state.header?.seed ?? 0).fork(`trial/${number}`);
}

export interface SuggestOptions {
  readonly limit: number | undefined;
  readonly fixed?: Params | undefined;
  /** How often the sampler was asked before for this trial. */
  readonly redraw?: number | undefined;
}

/** After so many suggestions for one trial, each of which came too late, the last is kept to. */
const mostTimes = 3;

export interface TimedSuggestion extends Suggestion {
  /** The number of entries it is from, where that is not the newest. */
  readonly after?: number | undefined;
}

/** What the sampler gives for a trial; with `after`, the number of entries it is from, where that is not the newest. */
export function suggest(context: EngineContext, number: number, options: SuggestOptions): TimedSuggestion {
  const { newest, state } = context;
  const key = JSON.stringify([number, options.limit, options.redraw ?? 0, options.fixed ?? {}]);
  const before = newest.suggestion?.key === key ? newest.suggestion : undefined;
  if (before !== undefined && before.times >= mostTimes) return { ...before.suggestion, after: before.position };
  const suggestion = suggestNow(context, number, options);
  newest.suggestion = { key, times: (before?.times ?? 0) + 1, position: state.position, suggestion };
  return suggestion;
}

function suggestNow(context: EngineContext, number: number, options: SuggestOptions): Suggestion {
  const { limit, fixed = {}, redraw = 0 } = options;
  const stream = streamOf(context, number);
  const random = redraw === 0 ? stream : stream.fork(`redraw/${redraw}`);
  const seen = { ...seenBy(context), trials: shownToSampler(context), plannedTrials: limit };
  if (context.dynamic) return suggestCommon(context, fixed, seen, random);
  if (Object.keys(fixed).length === 0) {
    const { params, explanation, checkpoint } = context.sampler.suggest(context.space, seen, random);
    const from = checkpoint === undefined ? {} : { checkpoint };
    return { params, explanation: redraw === 0 ? explanation : { ...explanation, redraw }, ...from };
  }
  return suggestBeside(context, fixed, seen, random);
}

/** Whether a trial has what the sampler gave at once: not what was put in line or added, evaluated again, partly fixed, or found in place of a duplicate. */
export function isOfSampler({ explanation, result, cachedFrom }: TrialEntry): boolean {
  const { sampler, redraw, fixed } = explanation;
  const isOwn = ["enqueued", "added", "repeat", "untried"].includes(String(sampler));
  return !isOwn && redraw === undefined && fixed === undefined && (result === undefined || cachedFrom !== undefined);
}

/** Of a study without a fixed space: together, what every trial asks for; the others are drawn as they are asked for. */
function suggestCommon(context: EngineContext, fixed: Params, seen: SuggestContext, random: Random): Suggestion {
  const { common } = context.state.definitions;
  if (Object.keys(common).length === 0) return { params: fixed, explanation: { sampler: "define-by-run" } };
  const trials = projected(seen.trials, common);
  const { params, explanation } = context.sampler.suggest(common, { ...seen, trials }, random);
  return { params: { ...params, ...fixed }, explanation };
}

const mostTries = 100;

/** The other parameters, beside those that are fixed. */
function suggestBeside(context: EngineContext, fixed: Params, seen: SuggestContext, random: Random): Suggestion {
  const space = withFixed(context.space, fixed);
  for (let attempt = 0; attempt < mostTries; attempt += 1) {
    const stream = attempt === 0 ? random : random.fork(`beside/${attempt}`);
    const { params, explanation } = context.sampler.suggest(space, seen, stream);
    const whole = overridden(space, params, fixed);
    if (isAllowed(context.constraints, whole))
      return { params: whole, explanation: { ...explanation, fixed: Object.keys(fixed).join(", ") } };
  }
  throw constraintsUnsatisfiable(mostTries);
}

/** The space with one value for each fixed parameter, its conditions kept. Lists stay as they are: see `overridden`. */
export function withFixed(space: Space, fixed: Params): Space {
  return Object.fromEntries(
    Object.entries(space).map(([name, parameter]): [string, Parameter] => {
      const value = fixed[name];
      if (value === undefined || Array.isArray(value)) return [name, parameter];
      const { conditions } = parameter;
      const only = { kind: "constant", value: value as Exclude<typeof value, readonly unknown[]> } as const;
      return [name, conditions === undefined ? only : { ...only, conditions }];
    }),
  );
}

/** Lists that are fixed in place of those suggested, where they are active. */
function overridden(space: Space, params: Params, fixed: Params): Params {
  const lists = Object.entries(fixed).filter(([name, value]) => Array.isArray(value) && isActive(space, name, params));
  return lists.length === 0 ? params : { ...params, ...Object.fromEntries(lists) };
}

/** By chance, with the fixed values. Throws `TUNER_CONSTRAINTS_UNSATISFIABLE`. */
export function drawUniformly({ space, constraints }: EngineContext, fixed: Params, random: Random): Params {
  const beside = withFixed(space, fixed);
  const params = drawParams(beside, random, constraints);
  return overridden(beside, params, fixed);
}

export const hasValues = (params: Params, fixed: Params): boolean =>
  Object.entries(fixed).every(([name, value]) => JSON.stringify(params[name]) === JSON.stringify(value));

/** Gives a trial of a study without a fixed space its parameters one by one. */
export interface OneByOne {
  /** The value of a parameter that was not proposed, from the sampler, on what other trials had for it. */
  next(name: string, parameter: Parameter): Params[string];
}

export function createOneByOne(context: EngineContext, trial: Trial): OneByOne {
  const stream = streamOf(context, trial.number);
  // Where nothing was proposed the stream is fresh, and gives what a sampler of the whole space would draw in this order.
  const random = trial.explanation["sampler"] === "define-by-run" ? stream : stream.fork("one by one");
  return {
    next(name, parameter) {
      const alone: Space = { [name]: parameter };
      const trials = shownToSampler(context).flatMap((other) =>
        other.params[name] !== undefined && isSame(parameter, other.parameters?.[name])
          ? [{ ...other, params: pick(other.params, [name]) }]
          : [],
      );
      const { params } = context.sampler.suggest(alone, { ...seenBy(context), trials }, random);
      return params[name] as Params[string];
    },
  };
}
