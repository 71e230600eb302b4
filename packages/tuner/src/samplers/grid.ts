import { gridExhausted, spaceInvalid } from "../errors.ts";
import type { Choice, NumericParameter, ParamValue, Parameter, Params, Space, SubsetParameter } from "../space.ts";
import { contains } from "../space-check.ts";
import { isActive, parentsFirst } from "../space-conditions.ts";
import { isAllowed } from "../space-constraints.ts";
import { fromSearchScale, levelsOf, searchRange } from "../space-scale.ts";
import type { Sampler, Trial } from "../trial.ts";

export interface GridOptions {
  /**
   * The values of a parameter, or how many, from 2, evenly spaced on its search scale with both ends. Needed for continuous parameters. Default: all values.
   */
  readonly points?: Readonly<Record<string, readonly ParamValue[] | number>> | undefined;
}

/** More values of one parameter than anyone would wait for: the list is likely a mistake. */
const MOST_VALUES = 1_000_000;

/**
 * Every point of a grid once, the last parameter fastest; of conditional parameters only where they are active, and nothing that known constraints forbid
 * or that an enqueued trial had. Goes on after the newest trial of its own, in any process. The end of the grid ends the study: `suggest` then throws
 * `TUNER_STUDY_EXHAUSTED`. Throws `TUNER_SPACE_INVALID` for a continuous parameter without points, and points outside the space.
 */
export function gridSampler({ points = {} }: GridOptions = {}): Sampler {
  for (const [name, own] of Object.entries(points)) checkPoints(name, own);
  const grids = new WeakMap<Space, Grid>();
  return {
    name: "grid",
    suggest(space, { trials, constraints }) {
      let grid = grids.get(space);
      if (grid === undefined) {
        grid = createGrid(space, points);
        grids.set(space, grid);
      }
      const { first, others } = progressOf(trials);
      for (let index = first; index < grid.size; index += 1) {
        const params = grid.at(index);
        if (params === undefined || !isAllowed(constraints, params) || others.has(keyOf(params))) continue;
        return { params, explanation: { sampler: "grid", index, points: grid.size } };
      }
      throw gridExhausted(grid.size);
    },
  };
}

function checkPoints(name: string, points: readonly ParamValue[] | number): void {
  if (Array.isArray(points) ? points.length > 0 : Number.isSafeInteger(points) && (points as number) >= 2) return;
  throw new RangeError(`The grid's points of "${name}" must be values, or a whole number of them from 2.`);
}

interface Grid {
  /** Points, with those of inactive parameters. */
  readonly size: number;
  /** `undefined` for a point that differs from one before only in inactive parameters. */
  at(index: number): Params | undefined;
}

function createGrid(space: Space, points: NonNullable<GridOptions["points"]>): Grid {
  for (const name of Object.keys(points))
    if (!Object.hasOwn(space, name)) throw spaceInvalid(name, "the grid has points for it, and the space has it not");
  const axes = Object.entries(space).map(([name, parameter]) => {
    const values = valuesOf(name, parameter, points[name]);
    return { name, values };
  });
  const size = axes.reduce((product, { values }) => product * values.length, 1);
  if (!Number.isSafeInteger(size)) throw spaceInvalid(Object.keys(space).join(", "), "the grid has too many points");
  return {
    size,
    at(index) {
      const digits = new Map<string, number>();
      let left = index;
      for (const { name, values } of axes.toReversed()) {
        digits.set(name, left % values.length);
        left = Math.floor(left / values.length);
      }
      const filled: Record<string, ParamValue> = {};
      const valueOf = new Map(axes.map(({ name, values }) => [name, values[digits.get(name) as number] as ParamValue]));
      for (const name of parentsFirst(space)) {
        if (isActive(space, name, filled)) filled[name] = valueOf.get(name) as ParamValue;
        else if (digits.get(name) !== 0) return undefined;
      }
      return Object.fromEntries(axes.flatMap(({ name }) => (filled[name] === undefined ? [] : [[name, filled[name]]])));
    },
  };
}

function valuesOf(
  name: string,
  parameter: Parameter,
  points: readonly ParamValue[] | number | undefined,
): readonly ParamValue[] {
  if (Array.isArray(points)) {
    for (const value of points as readonly ParamValue[])
      if (!contains(parameter, value))
        throw spaceInvalid(name, `the grid's point ${JSON.stringify(value)} is not in it`);
    return points as readonly ParamValue[];
  }
  const isNumeric = parameter.kind === "float" || parameter.kind === "int";
  if (typeof points === "number") {
    if (!isNumeric) throw spaceInvalid(name, "a number of points is for floats and ints; list the values");
    return spaced(parameter, points);
  }
  const levels = levelsOf(parameter);
  if (levels === Infinity)
    throw spaceInvalid(name, `it is continuous; give gridSampler({ points: { ${name}: 5 } }) or a list of values`);
  if (levels > MOST_VALUES) throw spaceInvalid(name, `it has ${levels} values; give the grid points of it`);
  return isNumeric ? steps(parameter, levels) : listed(parameter);
}

/** Evenly spaced from end to end on the search scale; each value once. */
function spaced(parameter: NumericParameter, count: number): readonly number[] {
  const whole = { ...parameter, step: undefined } as unknown as NumericParameter;
  const { low, high } = searchRange(whole);
  const values = Array.from({ length: count }, (_, index) =>
    index === count - 1
      ? highestOf(parameter)
      : nearest(parameter, fromSearchScale(whole, low + ((high - low) * index) / (count - 1))),
  );
  return [...new Set(values)];
}

const nearest = (parameter: NumericParameter, value: number): number => {
  if (parameter.step === undefined) return value;
  const place = Math.round((value - parameter.low) / parameter.step);
  return Number((parameter.low + place * parameter.step).toPrecision(15));
};

const highestOf = (parameter: NumericParameter): number =>
  parameter.step === undefined
    ? parameter.high
    : nearest(
        parameter,
        parameter.low + Math.floor((parameter.high - parameter.low) / parameter.step + 1e-9) * parameter.step,
      );

const steps = (parameter: NumericParameter, levels: number): readonly number[] =>
  Array.from({ length: levels }, (_, place) => nearest(parameter, parameter.low + place * (parameter.step ?? 0)));

function listed(parameter: Exclude<Parameter, NumericParameter>): readonly ParamValue[] {
  switch (parameter.kind) {
    case "constant":
      return [parameter.value];
    case "permutation":
      return permutations(parameter.items);
    case "subset":
      return subsets(parameter);
    default:
      return parameter.choices;
  }
}

function permutations(items: readonly Choice[]): readonly (readonly Choice[])[] {
  if (items.length <= 1) return [items];
  return items.flatMap((first, index) =>
    permutations(items.filter((_, other) => other !== index)).map((rest) => [first, ...rest]),
  );
}

function subsets({ items, min, max }: SubsetParameter): readonly (readonly Choice[])[] {
  let found: (readonly Choice[])[] = [[]];
  for (const item of items) found = found.flatMap((chosen) => [chosen, [...chosen, item]]);
  return found.filter(({ length }) => length >= min && length <= max);
}

/** Where the grid goes on, and what trials that are not its own had. */
function progressOf(trials: readonly Trial[]): { readonly first: number; readonly others: ReadonlySet<string> } {
  let first = 0;
  const others = new Set<string>();
  for (const { explanation, params } of trials) {
    const index = explanation["index"];
    if (explanation["sampler"] === "grid" && typeof index === "number") first = Math.max(first, index + 1);
    else others.add(keyOf(params));
  }
  return { first, others };
}

const keyOf = (params: Params): string =>
  JSON.stringify(Object.entries(params).toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
