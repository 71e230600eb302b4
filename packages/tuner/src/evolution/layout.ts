import type { Random } from "@millwright/contracts";
import type { Encoding } from "../samplers/encoding.ts";
import type { NumericParameter, Space } from "../space.ts";
import { searchRange, toSearchScale } from "../space-scale.ts";
import type { ChoicesState } from "./choices.ts";
import { type GaussianState, gaussianPoint } from "./gaussian.ts";
import { type DiscreteAxis, levelOf } from "./margin.ts";

/** Which coordinates of the unit cube the normal distribution has, and which the categorical ones. */
export interface Layout {
  readonly dimensions: number;
  /** Coordinates of the cube, by axis of the normal distribution. */
  readonly axes: readonly number[];
  /** Axes with levels. The others are continuous. */
  readonly discrete: readonly DiscreteAxis[];
  readonly continuous: readonly number[];
  /** Coordinates of categorical parameters and how many choices they have. */
  readonly categories: readonly { readonly coordinate: number; readonly size: number }[];
}

/** With more levels than this a coordinate is as good as continuous. */
const mostLevels = 1_000;

export function layoutOf(space: Space, { dimensions }: Encoding): Layout {
  const axes: number[] = [];
  const discrete: DiscreteAxis[] = [];
  const continuous: number[] = [];
  const categories: { coordinate: number; size: number }[] = [];
  for (const [coordinate, { kind, levels, parameter }] of dimensions.entries()) {
    if (kind === "categorical") categories.push({ coordinate, size: levels });
    else {
      const axis = axes.push(coordinate) - 1;
      if (kind === "discrete" && levels <= mostLevels)
        discrete.push({ axis, borders: bordersOf(space, parameter, levels) });
      else continuous.push(axis);
    }
  }
  return { dimensions: dimensions.length, axes, discrete, continuous, categories };
}

/** Cells of one width, but for whole numbers on a logarithmic scale. */
function bordersOf(space: Space, name: string, levels: number): Float64Array {
  const parameter = space[name];
  if (parameter?.kind !== "int" || !parameter.log)
    return Float64Array.from({ length: levels - 1 }, (_, index) => (index + 1) / levels);
  const { low, high } = searchRange(parameter);
  const numeric: NumericParameter = parameter;
  return Float64Array.from(
    { length: levels - 1 },
    (_, index) => (toSearchScale(numeric, numeric.low + index + 0.5) - low) / (high - low),
  );
}

/** What the next point is drawn from. Never changed in place. */
export interface SearchState {
  readonly gaussian: GaussianState;
  /** The margin's stretch, one per axis. */
  readonly stretch: Float64Array;
  readonly choices: ChoicesState;
}

/** A point of the cube as it was drawn: levels not yet rounded, and outside the cube where their level is at the edge. */
export function drawPoint({ axes, categories, dimensions }: Layout, state: SearchState, random: Random): Float64Array {
  const point = new Float64Array(dimensions).fill(0.5);
  const normal = Float64Array.from({ length: axes.length }, () => random.normal());
  for (const [axis, value] of gaussianPoint(state.gaussian, normal).entries()) point[axes[axis] as number] = value;
  for (const [index, { coordinate, size }] of categories.entries()) {
    let left = random.next();
    let choice = 0;
    for (const probability of state.choices.probabilities[index] as Float64Array) {
      left -= probability;
      if (left < 0) break;
      choice += 1;
    }
    point[coordinate] = (Math.min(choice, size - 1) + 0.5) / size;
  }
  return point;
}

export const isInside = ({ axes, continuous }: Layout, point: Float64Array): boolean =>
  continuous.every((axis) => {
    const value = point[axes[axis] as number] as number;
    return value >= 0 && value <= 1;
  });

/** Brings continuous coordinates into the cube. */
export function clip({ axes, continuous }: Layout, point: Float64Array): Float64Array {
  const clipped = point.slice();
  for (const axis of continuous) {
    const coordinate = axes[axis] as number;
    clipped[coordinate] = Math.min(1, Math.max(0, point[coordinate] as number));
  }
  return clipped;
}

/** The point of the cube that a drawn one means: each discrete coordinate in the middle of its level's cell. */
export function meaningOf(
  { axes, discrete }: Layout,
  { gaussian, stretch }: SearchState,
  point: Float64Array,
): Float64Array {
  const meaning = point.slice();
  for (const { axis, borders } of discrete) {
    const coordinate = axes[axis] as number;
    const centre = gaussian.mean[axis] as number;
    const level = levelOf(borders, centre + (stretch[axis] as number) * ((point[coordinate] as number) - centre));
    meaning[coordinate] = ((borders[level - 1] ?? 0) + (borders[level] ?? 1)) / 2;
  }
  return meaning;
}
