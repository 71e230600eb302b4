import type { Choice, ParamValue, Parameter, Params, Space } from "../space.ts";
import { isActive, parentsFirst } from "../space-conditions.ts";
import { levelsOf } from "../space-scale.ts";
import type { Trial } from "../trial.ts";

/**
 * What is done with a suggestion whose parameters were tried before. `allow`: it is run. `skip`: others are looked for; a study whose space is used up ends.
 * `reuse-cached`: the trial is recorded with the value that they gave, without running. `re-evaluate-for-noise`: it is run as a repeat of the first, with
 * another `seed`, and its value counts with those of the others.
 */
export type DuplicatePolicy = "allow" | "skip" | "reuse-cached" | "re-evaluate-for-noise";

export const duplicatePolicies: readonly DuplicatePolicy[] = ["allow", "skip", "reuse-cached", "re-evaluate-for-noise"];

/** The same text for the same values, whatever their order. */
export function keyOf(params: Params): string {
  return JSON.stringify(
    Object.keys(params)
      .toSorted()
      .map((name) => [name, params[name]]),
  );
}

/** An upper bound of how many points a space has; conditions and constraints may leave fewer. */
export function mostPoints(space: Space): number {
  return Object.values(space).reduce((product, parameter) => product * levelsOf(parameter), 1);
}

/** All points of a space without continuous parameters, conditions kept. */
export function* pointsOf(space: Space): Generator<Params> {
  const names = parentsFirst(space);
  function* from(index: number, chosen: Params): Generator<Params> {
    const name = names[index];
    if (name === undefined) yield inOrder(space, chosen);
    else if (isActive(space, name, chosen))
      for (const value of valuesOf(space[name] as Parameter)) yield* from(index + 1, { ...chosen, [name]: value });
    else yield* from(index + 1, chosen);
  }
  yield* from(0, {});
}

const inOrder = (space: Space, params: Params): Params =>
  Object.fromEntries(Object.entries(params).toSorted(byPlace(Object.keys(space))));

const byPlace =
  (names: readonly string[]) =>
  ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number =>
    names.indexOf(a) - names.indexOf(b);

/** All values of a parameter that is not continuous. */
function* valuesOf(parameter: Parameter): Generator<ParamValue> {
  switch (parameter.kind) {
    case "categorical":
    case "ordinal":
      yield* parameter.choices;
      return;
    case "constant":
      yield parameter.value;
      return;
    case "permutation":
      yield* permutationsOf(parameter.items);
      return;
    case "subset":
      yield* subsetsOf(parameter.items, parameter.min, parameter.max);
      return;
    default: {
      const levels = levelsOf(parameter);
      for (let level = 0; level < levels; level += 1)
        yield parameter.step === undefined
          ? parameter.low
          : Number((parameter.low + level * parameter.step).toPrecision(15));
    }
  }
}

function* permutationsOf(items: readonly Choice[]): Generator<readonly Choice[]> {
  if (items.length === 0) yield [];
  for (const [index, first] of items.entries())
    for (const rest of permutationsOf(items.toSpliced(index, 1))) yield [first, ...rest];
}

function* subsetsOf(items: readonly Choice[], min: number, max: number): Generator<readonly Choice[]> {
  if (min > items.length || max < 0) return;
  const [first, ...rest] = items;
  if (first === undefined) {
    yield [];
    return;
  }
  if (max > 0) for (const others of subsetsOf(rest, min - 1, max - 1)) yield [first, ...others];
  yield* subsetsOf(rest, min, max);
}

/** Which trials had which parameters. */
export interface TriedPoints {
  /** Numbers of the trials with exactly these parameters, in order. */
  of(params: Params): readonly number[];
}

/** @param trials As they are now, by number. */
export function createTriedPoints(trials: () => readonly Trial[]): TriedPoints {
  const byKey = new Map<string, number[]>();
  let seen = 0;
  let unfinished: number[] = [];
  const place = (trial: Trial): void => {
    const key = keyOf(trial.params);
    const same = byKey.get(key);
    if (same === undefined) byKey.set(key, [trial.number]);
    else same.push(trial.number);
  };
  return {
    of(params) {
      const all = trials();
      const waiting = unfinished.map((number) => all[number] as Trial);
      unfinished = [];
      for (const trial of [...waiting, ...all.slice(seen)]) {
        // Its parameters are not all known yet.
        if (trial.partial === true) unfinished.push(trial.number);
        else place(trial);
      }
      seen = all.length;
      return byKey.get(keyOf(params)) ?? [];
    },
  };
}
