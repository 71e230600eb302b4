import type { Random } from "@millwright/contracts";
import type { Choice, NumericParameter, ParamValue, Parameter } from "./space.ts";

const isReverseLog = (parameter: NumericParameter): boolean =>
  parameter.kind === "float" && parameter.reverseLog === true;

/** The largest value of the domain: `high`, or the last step up to it. */
export function highest(parameter: NumericParameter): number {
  return parameter.step === undefined ? parameter.high : onGrid(parameter, lastStep(parameter));
}

/** How many steps there are above `low`, where there is a step. */
function lastStep({ low, high, step }: NumericParameter): number {
  return Math.floor((high - low) / (step as number) + 1e-9);
}

/** Sums like 3 × 0.1 leave a rounding error in the last digit, which no user would write. */
const onGrid = ({ low, step }: NumericParameter, steps: number): number =>
  Number((low + steps * (step as number)).toPrecision(15));

/** How many values the parameter has; `Infinity` for a continuous one. */
export function levelsOf(parameter: Parameter): number {
  switch (parameter.kind) {
    case "categorical":
    case "ordinal":
      return parameter.choices.length;
    case "constant":
      return 1;
    case "permutation":
      return parameter.items.reduce<number>((product, _, index) => product * (index + 1), 1);
    case "subset": {
      let count = 0;
      for (let size = parameter.min; size <= parameter.max; size += 1) count += binomial(parameter.items.length, size);
      return count;
    }
    default:
      if (parameter.step !== undefined) return lastStep(parameter) + 1;
      return parameter.low === parameter.high ? 1 : Infinity;
  }
}

function binomial(n: number, k: number): number {
  let product = 1;
  for (let index = 1; index <= k; index += 1) product = (product * (n - k + index)) / index;
  return Math.round(product);
}

/** A value on the scale it is searched on: its logarithm for `log`, −log(1 − x) for `reverseLog`, else itself. Increasing. */
export function toSearchScale(parameter: NumericParameter, value: number): number {
  if (parameter.log) return Math.log(value);
  return isReverseLog(parameter) ? -Math.log1p(-value) : value;
}

/**
 * A numeric parameter's range on the scale it is searched on, each end widened by half a step, so that all grid values own cells of one width
 * (before logarithms are taken).
 */
export function searchRange(parameter: NumericParameter): { readonly low: number; readonly high: number } {
  const half = (parameter.step ?? 0) / 2;
  return {
    low: toSearchScale(parameter, parameter.low - half),
    high: toSearchScale(parameter, highest(parameter) + half),
  };
}

/** Brings a point of the search scale back to the nearest value of the domain. */
export function fromSearchScale(parameter: NumericParameter, point: number): number {
  const value = parameter.log ? Math.exp(point) : isReverseLog(parameter) ? -Math.expm1(-point) : point;
  if (parameter.step === undefined) return clamp(value, parameter.low, parameter.high);
  return onGrid(parameter, clamp(Math.round((value - parameter.low) / parameter.step), 0, lastStep(parameter)));
}

/** Uniform on the search scale; of lists, every permutation and every subset alike. */
export function sampleParameter(parameter: Parameter, random: Random): ParamValue {
  switch (parameter.kind) {
    case "categorical":
    case "ordinal":
      return parameter.choices[random.integer(parameter.choices.length)] as Choice;
    case "constant":
      return parameter.value;
    case "permutation":
      return shuffled(parameter.items, random);
    case "subset":
      return sampleSubset(
        parameter.items,
        sampleSize(parameter.items.length, parameter.min, parameter.max, random),
        random,
      );
    default: {
      const { low, high } = searchRange(parameter);
      return fromSearchScale(parameter, low + (high - low) * random.next());
    }
  }
}

/** Fisher and Yates. */
function shuffled(items: readonly Choice[], random: Random): readonly Choice[] {
  const order = [...items];
  for (let index = order.length - 1; index > 0; index -= 1) {
    const other = random.integer(index + 1);
    [order[index], order[other]] = [order[other] as Choice, order[index] as Choice];
  }
  return order;
}

/** A size by how many subsets have it. */
function sampleSize(items: number, min: number, max: number, random: Random): number {
  const counts = Array.from({ length: max - min + 1 }, (_, index) => binomial(items, min + index));
  let left = random.next() * counts.reduce((sum, count) => sum + count, 0);
  for (const [index, count] of counts.entries()) {
    left -= count;
    if (left < 0) return min + index;
  }
  return max;
}

function sampleSubset(items: readonly Choice[], size: number, random: Random): readonly Choice[] {
  const chosen: Choice[] = [];
  for (const [index, item] of items.entries())
    if (random.next() * (items.length - index) < size - chosen.length) chosen.push(item);
  return chosen;
}

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
