import type { Encoding } from "../samplers/encoding.ts";
import { createEncoding } from "../samplers/encoding.ts";
import type { Choice, Params, Space } from "../space.ts";
import { hasConditions } from "../space-conditions.ts";
import type { Coordinates } from "./kernel.ts";

/** Discrete coordinates of up to so many levels are searched level by level; those of more are relaxed and rounded. */
const MOST_LEVELS = 64;

/** How a search may move about the points that a space's values stand on. */
export interface Lattice {
  readonly encoding: Encoding;
  readonly coordinates: Coordinates;
  /** Coordinates that a gradient may move. */
  readonly smooth: readonly number[];
  /** The places on each coordinate that is searched level by level; `undefined` for others. */
  readonly levels: readonly (Float64Array | undefined)[];
  /** First coordinate and length of each permutation. */
  readonly permutations: readonly { readonly start: number; readonly length: number }[];
  /** How many different points there are; `Infinity` where a coordinate is continuous. */
  readonly size: number;
  /** Moves a point in place to the nearest place that values stand on. */
  settle(point: Float64Array): void;
  /** Whether the parameter of each coordinate has a value at this point. */
  active(point: Float64Array): (coordinate: number) => boolean;
}

const lattices = new WeakMap<Space, Lattice>();

export function latticeOf(space: Space): Lattice {
  const known = lattices.get(space);
  if (known !== undefined) return known;
  const lattice = createLattice(space);
  lattices.set(space, lattice);
  return lattice;
}

function createLattice(space: Space): Lattice {
  const encoding = createEncoding(space);
  const { dimensions } = encoding;
  const isList = (index: number): boolean => {
    const kind = space[dimensions[index]?.parameter ?? ""]?.kind;
    return kind === "permutation" || kind === "subset";
  };
  const levels = dimensions.map(({ parameter, kind, levels: count }, index) => {
    if (kind === "continuous" || (kind === "discrete" && count > MOST_LEVELS)) return undefined;
    return isList(index) ? Float64Array.of(0.25, 0.75) : levelPlaces(space, encoding, parameter, index, count);
  });
  const plain = !hasConditions(space) && !dimensions.some((_, index) => isList(index));
  const rounded = dimensions.some(({ kind }, index) => kind !== "continuous" && levels[index] === undefined);
  const conditional = hasConditions(space);
  return {
    encoding,
    coordinates: { dimensions: dimensions.length, categorical: dimensions.map(({ kind }) => kind === "categorical") },
    smooth: dimensions.flatMap((_, index) =>
      levels[index] === undefined && !isList(index) && dimensions[index]?.kind !== "categorical" ? [index] : [],
    ),
    levels,
    permutations: permutationsOf(space, encoding),
    size: Object.values(space).some(({ kind }) => kind === "permutation")
      ? Infinity
      : dimensions.reduce((product, { levels: count }) => product * count, 1),
    settle(point) {
      if (!plain || rounded) {
        point.set(plain ? encoding.snap(point) : encoding.encode(encoding.decode(point)));
        return;
      }
      for (let index = 0; index < point.length; index += 1) {
        const places = levels[index];
        if (places !== undefined) point[index] = nearest(places, point[index] as number);
      }
    },
    active(point) {
      if (!conditional) return () => true;
      const params = encoding.decode(point);
      return (coordinate) => params[dimensions[coordinate]?.parameter ?? ""] !== undefined;
    },
  };
}

function levelPlaces(space: Space, encoding: Encoding, name: string, index: number, count: number): Float64Array {
  const parameter = space[name];
  return Float64Array.from({ length: count }, (_, level) => {
    let value: Choice = null;
    if (parameter?.kind === "categorical" || parameter?.kind === "ordinal") value = parameter.choices[level] as Choice;
    else if (parameter?.kind === "float" || parameter?.kind === "int")
      value = parameter.low + level * (parameter.step ?? 1);
    const params: Params = { [name]: value };
    return encoding.encode(params)[index] as number;
  });
}

function permutationsOf(space: Space, { dimensions }: Encoding): { start: number; length: number }[] {
  const found: { start: number; length: number }[] = [];
  for (const [index, { parameter }] of dimensions.entries()) {
    if (space[parameter]?.kind !== "permutation") continue;
    if (index > 0 && dimensions[index - 1]?.parameter === parameter) (found.at(-1) as { length: number }).length += 1;
    else found.push({ start: index, length: 1 });
  }
  return found;
}

/** The place nearest to `value`; places ascend. */
export function nearest(places: Float64Array, value: number): number {
  let low = 0;
  let high = places.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((places[middle] as number) <= value) low = middle;
    else high = middle;
  }
  const below = places[low] as number;
  const above = places[high] as number;
  return value - below <= above - value ? below : above;
}
