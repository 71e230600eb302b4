import { mix32 } from "./hash.ts";

/**
 * A sample of numbers from which ranks are told within `epsilon` of all numbers, whatever they are: Karnin, Lang and Liberty, "Optimal Quantile
 * Approximation in Streams" (2016), with lazy compaction. A number in level `i` stands for 2^i of those that were given.
 * Where `QuantileSketch` bounds the error of a value relatively, this one bounds the error of its rank.
 */
export interface RankSketch {
  /** Most that a rank is off, as a share of `count`, with 99 % confidence for all ranks at one time. */
  readonly epsilon: number;
  /** The finite numbers given. */
  readonly count: number;
  /** The smallest and the largest of them, exactly; 0 while `count` is 0. */
  readonly min: number;
  readonly max: number;
  readonly levels: readonly Float64Array[];
}

/** Sketches while it takes numbers. */
export interface RankSketcher {
  /** Takes the finite numbers among the first `length`. Throws a RangeError where there are not as many. */
  addAll(values: Float64Array, length?: number): void;
  /** Takes what another sketch holds. The coarser `epsilon` of the two should be this sketcher's. */
  addSketch(sketch: RankSketch): void;
  sketch(): RankSketch;
}

export interface RankSketchOptions {
  /** Most that a rank may be off, from 0.0025 (48 KB as JSON) to 0.5. Default: 0.01 (about 12 KB). */
  readonly epsilon?: number | undefined;
}

const defaultEpsilon = 0.01;
const smallestEpsilon = 0.0025;
const smallestCapacity = 8;
const shrinkage = 2 / 3;

/**
 * Numbers kept in the highest level. The constants were measured for all ranks at one time by the authors of Apache DataSketches
 * (`getNormalizedRankError` of its KLL sketches): ε = 2.446 / k^0.9433 at 99 % confidence.
 */
const widthFor = (epsilon: number): number => Math.ceil((2.446 / epsilon) ** (1 / 0.9433));

/** Throws a RangeError for an `epsilon` out of range. */
export function createRankSketcher({ epsilon = defaultEpsilon }: RankSketchOptions = {}): RankSketcher {
  if (!(epsilon >= smallestEpsilon && epsilon <= 0.5))
    throw new RangeError(`epsilon must be from ${smallestEpsilon} to 0.5, not ${epsilon}.`);
  const compactor = createCompactor(widthFor(epsilon));
  let count = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  const seen = (low: number, high: number): void => {
    if (low < min) min = low;
    if (high > max) max = high;
  };
  return {
    addAll(values, length = values.length) {
      if (!(length <= values.length)) throw new RangeError(`There are ${values.length} values, not ${length}.`);
      for (let index = 0; index < length; index += 1) {
        const value = values[index] as number;
        if (value - value !== 0) continue;
        seen(value, value);
        count += 1;
        compactor.add(value);
      }
    },
    addSketch(sketch) {
      if (sketch.count === 0) return;
      seen(sketch.min, sketch.max);
      count += sketch.count;
      compactor.addLevels(sketch.levels);
    },
    sketch: () => ({
      epsilon,
      count,
      min: count === 0 ? 0 : min + 0,
      max: count === 0 ? 0 : max + 0,
      levels: compactor.levels(),
    }),
  };
}

interface Compactor {
  add(value: number): void;
  addLevels(levels: readonly Float64Array[]): void;
  /** Each sorted. */
  levels(): readonly Float64Array[];
}

function createCompactor(width: number): Compactor {
  const levels: number[][] = [[]];
  let capacities = capacitiesOf(1, width);
  let room = width;
  let kept = 0;
  let compactions = 0;
  const raise = (count: number): void => {
    while (levels.length < count) levels.push([]);
    capacities = capacitiesOf(levels.length, width);
    room = capacities.reduce((sum, each) => sum + each, 0);
  };
  const compact = (): void => {
    while (kept > room) {
      const full = levels.findIndex((level, at) => level.length >= (capacities[at] as number));
      if (full === levels.length - 1) raise(levels.length + 1);
      else {
        compactions += 1;
        const coin = mix32(compactions) & 1;
        kept -= promoteHalf(levels[full] as number[], levels[full + 1] as number[], coin);
      }
    }
  };
  return {
    add(value) {
      (levels[0] as number[]).push(value);
      kept += 1;
      if (kept > room) compact();
    },
    addLevels(others) {
      raise(others.length);
      for (const [at, level] of others.entries()) {
        for (const value of level) (levels[at] as number[]).push(value);
        kept += level.length;
      }
      compact();
    },
    levels: () => levels.map((level) => Float64Array.from(level).sort()),
  };
}

/** The lower a level, the smaller: its numbers count for little. */
function capacitiesOf(levels: number, width: number): readonly number[] {
  return Array.from({ length: levels }, (_, level) =>
    Math.max(smallestCapacity, Math.ceil(width * shrinkage ** (levels - 1 - level))),
  );
}

/** Moves every other number one level up, in their order, and drops the rest; of an odd number one stays. @returns how many fewer there are. */
function promoteHalf(level: number[], above: number[], coin: number): number {
  level.sort((a, b) => a - b);
  const pairs = level.length >> 1;
  const staying = level.length % 2 === 1 ? [level.pop() as number] : [];
  for (let pair = 0; pair < pairs; pair += 1) above.push(level[pair * 2 + coin] as number);
  level.splice(0, level.length, ...staying);
  return pairs;
}

/** The sketch of no numbers: merging it with another gives the other. */
export function emptyRankSketch(options: RankSketchOptions = {}): RankSketch {
  return createRankSketcher(options).sketch();
}

/** Merged in whatever order, ranks stay within the largest `epsilon`; count, minimum and maximum are exact. */
export function mergeRankSketches(first: RankSketch, ...rest: readonly RankSketch[]): RankSketch {
  if (rest.length === 0) return first;
  const all = [first, ...rest];
  const sketcher = createRankSketcher({ epsilon: Math.max(...all.map(({ epsilon }) => epsilon)) });
  for (const sketch of all) sketcher.addSketch(sketch);
  return sketcher.sketch();
}

/** @returns the share of numbers at most `value`, in [0, 1], within `epsilon`. NaN without numbers. */
export function rankInSketch({ levels, count }: RankSketch, value: number): number {
  let below = 0;
  for (const [at, level] of levels.entries()) {
    // The levels are sorted: the first that is greater ends the count.
    const end = level.findIndex((each) => each > value);
    below += (end < 0 ? level.length : end) * 2 ** at;
  }
  return below / count;
}

/** @returns one of the numbers whose rank is within `epsilon` of `q`, for each `q` in [0, 1]; NaN without numbers. Throws a RangeError. */
export function quantilesInSketch(sketch: RankSketch, shares: readonly number[]): number[] {
  const bad = shares.find((q) => !(q >= 0 && q <= 1));
  if (bad !== undefined) throw new RangeError(`The quantile must be in [0, 1], not ${bad}.`);
  const weighted = sketch.levels.flatMap((level, at) => Array.from(level, (value) => ({ value, weight: 2 ** at })));
  weighted.sort((a, b) => a.value - b.value);
  const total = weighted.reduce((sum, { weight }) => sum + weight, 0);
  return shares.map((q) => {
    if (sketch.count === 0) return Number.NaN;
    if (q === 0) return sketch.min;
    if (q === 1) return sketch.max;
    let below = 0;
    for (const { value, weight } of weighted) {
      below += weight;
      if (below >= q * total) return value;
    }
    return sketch.max;
  });
}
