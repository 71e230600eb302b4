import type { Random } from "@millwright/contracts";
import { sobolPoints } from "../samplers/sobol.ts";
import type { Acquisition } from "./acquisition.ts";
import { type Lattice, nearest } from "./lattice.ts";
import { minimize } from "./minimize.ts";

export interface SearchOptions {
  readonly lattice: Lattice;
  readonly acquisition: Acquisition;
  /** Good points known so far, best first: half the candidates lie about them. */
  readonly anchors: readonly Float64Array[];
  /** Bounds of numeric coordinates, such as a trust region's. */
  readonly lower: Float64Array;
  readonly upper: Float64Array;
  /** How far each coordinate is stepped at first: about a length scale. */
  readonly strides: Float64Array;
  readonly random: Random;
  /** Points filling the bounds, about the anchors as many again. */
  readonly candidates: number;
  /** Local searches. */
  readonly starts: number;
  /** Whether a settled point may be suggested at all. */
  readonly allows: (point: Float64Array) => boolean;
  /** Whether a settled point is as good as known already: taken only where nothing else is left. */
  readonly taken: (point: Float64Array) => boolean;
}

export interface Found {
  readonly point: Float64Array;
  readonly value: number;
}

/**
 * The allowed point that makes the acquisition largest, as far as a search finds it: low-discrepancy candidates and steps from the anchors, the best and
 * some others of which climb, by gradient on smooth coordinates and level by level or swap by swap on the rest.
 * @returns `undefined` where no candidate is allowed.
 */
export function searchAcquisition(options: SearchOptions): Found | undefined {
  const { lattice, acquisition, allows, taken, starts } = options;
  const size = lattice.coordinates.dimensions;
  const points = candidatesOf(options).filter(allows);
  if (points.length === 0) return undefined;
  const ranked = rank(points, acquisition, size);
  const climbed = chooseStarts(ranked, starts, options.strides).map((start) => climb(start, options));
  const order = [...climbed.toSorted((a, b) => b.value - a.value), ...ranked];
  return order.find(({ point }) => !taken(point)) ?? order[0];
}

/** Points whose values are computed where there are bounds: at least so many, and on while others might be among the best of them; but not more than the latter. */
const FEWEST_VALUED = 24;
const MOST_VALUED = 64;

/** Points by their values, best first; of those that bounds rule out the best few bounds stand in. */
function rank(points: readonly Float64Array[], acquisition: Acquisition, size: number): Found[] {
  const descending = (a: Found, b: Found): number => b.value - a.value;
  const valued = (chosen: readonly Float64Array[], values: Float64Array): Found[] =>
    chosen
      .map((point, index) => ({ point, value: values[index] as number }))
      .filter(({ value }) => !Number.isNaN(value))
      .toSorted(descending);
  const bounds = acquisition.bounds?.(joined(points, size), points.length);
  if (bounds === undefined) return valued(points, acquisition.values(joined(points, size), points.length));
  const bounded = valued(points, bounds);
  let ranked: Found[] = [];
  let from = 0;
  while (from < Math.min(bounded.length, MOST_VALUED)) {
    const next = bounded[from] as Found;
    if (from >= FEWEST_VALUED && next.value <= (ranked[FEWEST_VALUED / 3]?.value ?? -Infinity)) break;
    const chosen = bounded.slice(from, from + 8).map(({ point }) => point);
    const more = valued(chosen, acquisition.values(joined(chosen, size), chosen.length));
    ranked = [...ranked, ...more].toSorted(descending);
    from += 8;
  }
  return ranked;
}

function joined(points: readonly Float64Array[], size: number): Float64Array {
  const all = new Float64Array(points.length * size);
  for (const [index, point] of points.entries()) all.set(point, index * size);
  return all;
}

/** Sobol points of the bounds, and steps from the anchors: of all sizes, each on a few coordinates. */
function candidatesOf({ lattice, anchors, lower, upper, strides, random, candidates }: SearchOptions): Float64Array[] {
  const size = lattice.coordinates.dimensions;
  const spread = sobolPoints(size, candidates, random);
  const found: Float64Array[] = [];
  for (let index = 0; index < candidates; index += 1) {
    const point = spread.slice(index * size, (index + 1) * size);
    for (let k = 0; k < size; k += 1) {
      const low = lower[k] as number;
      point[k] = low + (point[k] as number) * ((upper[k] as number) - low);
    }
    found.push(point);
  }
  const share = Math.min(1, 1.5 / size + 0.25);
  for (let index = 0; index < candidates && anchors.length > 0; index += 1) {
    // Half of the steps begin at the best.
    const anchor = anchors[index % 2 === 0 ? 0 : random.integer(anchors.length)] as Float64Array;
    const reach = 0.6 * 10 ** (-3 * random.next());
    const always = random.integer(size);
    const point = anchor.slice();
    for (let k = 0; k < size; k += 1) {
      if (k !== always && random.next() >= share) continue;
      step(lattice, point, k, reach * (strides[k] as number), random);
      if (lattice.coordinates.categorical?.[k] !== true)
        point[k] = Math.min(upper[k] as number, Math.max(lower[k] as number, point[k] as number));
    }
    found.push(point);
  }
  for (const point of found) lattice.settle(point);
  return found;
}

/** Continuous coordinates by a normal step, ordered ones by at least a level, categorical ones to any other. */
function step(lattice: Lattice, point: Float64Array, k: number, reach: number, random: Random): void {
  const places = lattice.levels[k];
  if (places === undefined) {
    point[k] = (point[k] as number) + reach * random.normal();
    return;
  }
  if (lattice.coordinates.categorical?.[k] === true || places.length === 2) {
    point[k] = places[random.integer(places.length)] as number;
    return;
  }
  const level = places.indexOf(nearest(places, point[k] as number));
  const move = Math.max(1, Math.round(Math.abs(reach * random.normal() * places.length)));
  point[k] = places[
    Math.min(places.length - 1, Math.max(0, random.next() < 0.5 ? level - move : level + move))
  ] as number;
}

/** The best, then the next best that lie apart from those chosen. */
function chooseStarts(ranked: readonly Found[], count: number, strides: Float64Array): Found[] {
  const chosen: Found[] = [];
  for (const found of ranked) {
    if (chosen.length >= count) break;
    const apart = chosen.every(({ point }) => {
      let sum = 0;
      for (let k = 0; k < point.length; k += 1)
        sum += (((point[k] as number) - (found.point[k] as number)) / (strides[k] as number)) ** 2;
      return sum > 0.01;
    });
    if (apart) chosen.push(found);
  }
  return chosen;
}

function climb(start: Found, options: SearchOptions): Found {
  let current = start;
  for (let round = 0; round < 3; round += 1) {
    const before = current.value;
    current = climbSmoothly(current, options);
    const walked = climbByLevels(current, options);
    const changed = walked.value > current.value;
    current = walked;
    if (!changed || current.value - before < 1e-4 || options.lattice.smooth.length === 0) break;
  }
  return current;
}

/** L-BFGS on the smooth coordinates, in units of their strides. */
function climbSmoothly(start: Found, { lattice, acquisition, allows, lower, upper, strides }: SearchOptions): Found {
  const active = lattice.active(start.point);
  const moving = lattice.smooth.filter((k) => active(k) && (upper[k] as number) > (lower[k] as number));
  if (moving.length === 0) return start;
  const point = start.point.slice();
  const slopes = new Float64Array(point.length);
  const scaled = (bounds: Float64Array): Float64Array =>
    Float64Array.from(moving, (k) => (bounds[k] as number) / (strides[k] as number));
  const place = (variables: Float64Array): void => {
    for (const [index, k] of moving.entries()) point[k] = (variables[index] as number) * (strides[k] as number);
  };
  const target = (variables: Float64Array, gradient: Float64Array): number => {
    place(variables);
    if (!allows(point)) return Infinity;
    slopes.fill(0);
    const value = acquisition.evaluate(point, slopes);
    for (const [index, k] of moving.entries()) gradient[index] = -(slopes[k] as number) * (strides[k] as number);
    return -value;
  };
  const { point: variables } = minimize(target, scaled(start.point), {
    lower: scaled(lower),
    upper: scaled(upper),
    evaluations: 40,
    gain: 1e-4,
    gradientTolerance: 1e-4,
    firstStep: 0.1,
  });
  place(variables);
  for (const k of moving) point[k] = Math.min(upper[k] as number, Math.max(lower[k] as number, point[k] as number));
  lattice.settle(point);
  if (!allows(point)) return start;
  const value = acquisition.values(point, 1)[0] as number;
  return value > start.value ? { point, value } : start;
}

/** Changes one coordinate, or swaps two items of a permutation, as long as that helps. */
function climbByLevels(start: Found, options: SearchOptions): Found {
  const { lattice, acquisition, allows } = options;
  let current = start;
  for (let round = 0; round < 20; round += 1) {
    const moves = movesFrom(current.point, options).filter(allows);
    if (moves.length === 0) return current;
    const values = acquisition.values(joined(moves, lattice.coordinates.dimensions), moves.length);
    let best = 0;
    for (let index = 1; index < moves.length; index += 1) {
      if ((values[index] as number) > (values[best] as number)) best = index;
    }
    if (!((values[best] as number) > current.value + 1e-9)) return current;
    current = { point: moves[best] as Float64Array, value: values[best] as number };
  }
  return current;
}

function movesFrom(point: Float64Array, { lattice, lower, upper }: SearchOptions): Float64Array[] {
  const moves: Float64Array[] = [];
  const active = lattice.active(point);
  const push = (change: (moved: Float64Array) => void): void => {
    const moved = point.slice();
    change(moved);
    lattice.settle(moved);
    if (moved.some((value, index) => value !== point[index])) moves.push(moved);
  };
  for (const [k, places] of lattice.levels.entries()) {
    if (places === undefined || !active(k)) continue;
    const categorical = lattice.coordinates.categorical?.[k] === true;
    for (const place of levelsFrom(places, point[k] as number, categorical)) {
      if (categorical || (place >= (lower[k] as number) && place <= (upper[k] as number)))
        push((moved) => (moved[k] = place));
    }
  }
  for (const { start, length } of lattice.permutations) {
    for (let a = start; a < start + length; a += 1) {
      const reach = length <= 8 ? length : 3;
      for (let b = a + 1; b < start + length && b - a < reach; b += 1) {
        push((moved) => {
          moved[a] = point[b] as number;
          moved[b] = point[a] as number;
        });
      }
    }
  }
  return moves;
}

/** All places where there are few; else those 1, 2, 4, … steps away, and both ends. */
function levelsFrom(places: Float64Array, at: number, categorical: boolean): readonly number[] {
  if (categorical || places.length <= 12) return [...places];
  const level = places.indexOf(nearest(places, at));
  const found = new Set([0, places.length - 1]);
  for (let move = 1; move < places.length; move *= 2) {
    found.add(Math.max(0, level - move));
    found.add(Math.min(places.length - 1, level + move));
  }
  return [...found].map((index) => places[index] as number);
}
