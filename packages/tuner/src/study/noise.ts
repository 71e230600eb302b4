import type { Direction, Trial } from "../trial.ts";
import { studentTwoSided } from "./student.ts";

/**
 * How a study with a noisy objective spends its trials, and what it calls best. Promising parameters are evaluated again during the search, at most every
 * other trial, as the racing of SMAC does (Hutter, Hoos and Leyton-Brown, 2011, LION 5); the last trials test the few best again with seeds that the search
 * never saw, so that the value reported is not the luckiest of many (winner's curse).
 */
export interface NoiseOptions {
  /** Evaluations of one set of parameters during the search, at most. From 1. Default: 5. */
  readonly repeats?: number | undefined;
  /** Of the bounds that incumbents are compared by and the best is reported with. In (0, 1). Default: 0.95. */
  readonly confidence?: number | undefined;
  /** The test at the end, of `top` sets of parameters (from 1, default 3), each with `repeats` new seeds (from 2, default 5). `false`: none. */
  readonly retest?: false | { readonly top?: number | undefined; readonly repeats?: number | undefined } | undefined;
}

export interface NoisePolicy {
  readonly repeats: number;
  readonly confidence: number;
  readonly top: number;
  readonly retests: number;
}

/** Throws RangeError, TypeError. */
export function noisePolicy(options: NoiseOptions): NoisePolicy {
  if (typeof options !== "object" || options === null) throw new TypeError("noise must be an object of options.");
  const { repeats = 5, confidence = 0.95, retest = {} } = options;
  const { top = 3, repeats: retests = 5 } = retest === false ? { top: 0, repeats: 0 } : retest;
  const whole = (name: string, value: number, least: number): void => {
    if (!Number.isInteger(value) || value < least)
      throw new RangeError(`noise.${name} is ${String(value)}; it must be a whole number from ${least}.`);
  };
  whole("repeats", repeats, 1);
  if (!(confidence > 0 && confidence < 1))
    throw new RangeError(`noise.confidence is ${String(confidence)}; it must lie in (0, 1).`);
  if (retest !== false) {
    whole("retest.top", top, 1);
    whole("retest.repeats", retests, 2);
  }
  return { repeats, confidence, top, retests };
}

/** All evaluations of the parameters of one trial. */
export interface Configuration {
  /** The trial that had them first. */
  readonly number: number;
  /** Of the search. */
  readonly values: readonly number[];
  /** Of the test at the end. */
  readonly retests: readonly number[];
  /** Evaluations that have not ended. */
  readonly pending: number;
}

/** Configurations with a value, in the order of their first trials. */
export function configurationsOf(trials: readonly Trial[]): readonly Configuration[] {
  const groups = new Map<number, { number: number; values: number[]; retests: number[]; pending: number }>();
  for (const trial of trials) {
    const number = trial.repeatOf ?? trial.number;
    const group = groups.get(number) ?? { number, values: [], retests: [], pending: 0 };
    groups.set(number, group);
    if (trial.state === "completed" && trial.value !== undefined && Number.isFinite(trial.value))
      (trial.retest === undefined ? group.values : group.retests).push(trial.value);
    else if (trial.state === "waiting" || trial.state === "running" || trial.state === "paused") group.pending += 1;
  }
  return [...groups.values()].filter(({ values }) => values.length > 0);
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The spread of one evaluation, from the differences between those of equal parameters; undefined where nothing was evaluated twice. */
export function pooledDeviation(
  groups: readonly (readonly number[])[],
): { readonly deviation: number; readonly degrees: number } | undefined {
  let squares = 0;
  let degrees = 0;
  for (const values of groups) {
    const mean = meanOf(values);
    for (const value of values) squares += (value - mean) ** 2;
    degrees += Math.max(0, values.length - 1);
  }
  return degrees === 0 ? undefined : { deviation: Math.sqrt(squares / degrees), degrees };
}

/** Half the width of the interval around the mean of `count` evaluations. */
function halfWidth(spread: ReturnType<typeof pooledDeviation>, count: number, confidence: number): number {
  if (spread === undefined) return Infinity;
  return (studentTwoSided(confidence, spread.degrees) * spread.deviation) / Math.sqrt(count);
}

interface Rated {
  readonly configuration: Configuration;
  /** Of the search's evaluations, and its bounds, turned so that less is better. */
  readonly mean: number;
  readonly pessimistic: number;
  readonly optimistic: number;
}

/** Best first by the bound that the true value is likely not worse than; where no spread is known, by mean. */
function rated(configurations: readonly Configuration[], direction: Direction, confidence: number): readonly Rated[] {
  const sign = direction === "minimize" ? 1 : -1;
  const spread = pooledDeviation(configurations.map(({ values }) => values));
  return configurations
    .map((configuration): Rated => {
      const mean = sign * meanOf(configuration.values);
      const half = halfWidth(spread, configuration.values.length, confidence);
      return { configuration, mean, pessimistic: mean + half, optimistic: mean - half };
    })
    .toSorted((a, b) => (a.pessimistic < b.pessimistic ? -1 : a.pessimistic > b.pessimistic ? 1 : a.mean - b.mean));
}

/** What a study with noise does next: tests the best again (`retest`), waits for what the choice of the best depends on, repeats a trial, or goes on searching. */
export type NoiseStep =
  | { readonly step: "retest"; readonly trials: readonly number[] }
  | { readonly step: "wait" }
  | { readonly step: "repeat"; readonly trial: number }
  | { readonly step: "search" };

/** Fewer sets of parameters than this say little about which is promising. */
const firstConfigurations = 4;

/** @param left Trials that may still be begun; Infinity where no number was set. */
export function nextNoiseStep(
  policy: NoisePolicy,
  trials: readonly Trial[],
  direction: Direction,
  left: number,
): NoiseStep {
  const search = trials.filter(({ retest }) => retest === undefined);
  const isTested = search.length < trials.length;
  if (policy.top > 0 && !isTested && left <= policy.top * policy.retests) {
    if (trials.some(({ state }) => state === "running" || state === "paused")) return { step: "wait" };
    const best = rated(configurationsOf(search), direction, policy.confidence);
    const repeats = Math.max(1, Math.floor(left / Math.min(policy.top, best.length || 1)));
    const tested = best.slice(0, Math.max(1, Math.floor(left / repeats))).slice(0, policy.top);
    if (tested.length > 0) return { step: "retest", trials: tested.map(({ configuration }) => configuration.number) };
  }
  return repeatOrSearch(policy, search, direction);
}

function repeatOrSearch(policy: NoisePolicy, search: readonly Trial[], direction: Direction): NoiseStep {
  const configurations = configurationsOf(search);
  if (policy.repeats === 1 || configurations.length < firstConfigurations || search.at(-1)?.repeatOf !== undefined)
    return { step: "search" };
  const best = rated(configurations, direction, policy.confidence);
  const incumbent = best[0] as Rated;
  const challenger = best
    .filter(({ configuration: { values, pending } }) => values.length + pending < policy.repeats)
    .toSorted((a, b) => a.mean - b.mean)
    .find(({ optimistic }) => optimistic <= incumbent.pessimistic);
  return challenger === undefined ? { step: "search" } : { step: "repeat", trial: challenger.configuration.number };
}

/** The best parameters of a noisy study. */
export interface NoisyBest {
  /** The trial that had them first. */
  readonly number: number;
  /** Mean of the evaluations that count: those of the test at the end where there was one, else those of the search. */
  readonly value: number;
  /**
   * Where the true mean lies with the study's confidence, whichever of those tested was chosen (Bonferroni); infinite while nothing was evaluated twice. Without
   * a test at the end it does not count in that the best was chosen for its values.
   */
  readonly bound: readonly [low: number, high: number];
  readonly evaluations: number;
}

/** The best by the mean of its tests, else by the bound of its search. */
export function noisyBest(policy: NoisePolicy, trials: readonly Trial[], direction: Direction): NoisyBest | undefined {
  const configurations = configurationsOf(trials);
  const tested = configurations.filter(({ retests }) => retests.length > 0);
  const sign = direction === "minimize" ? 1 : -1;
  const best =
    tested.length > 0
      ? tested.toSorted((a, b) => sign * (meanOf(a.retests) - meanOf(b.retests)))[0]
      : rated(configurations, direction, policy.confidence)[0]?.configuration;
  if (best === undefined) return undefined;
  const values = tested.length > 0 ? best.retests : best.values;
  const groups = tested.length > 0 ? tested.map(({ retests }) => retests) : configurations.map((one) => one.values);
  const level = 1 - (1 - policy.confidence) / Math.max(1, tested.length);
  const value = meanOf(values);
  const half = halfWidth(pooledDeviation(groups), values.length, level);
  return { number: best.number, value, bound: [value - half, value + half], evaluations: values.length };
}
