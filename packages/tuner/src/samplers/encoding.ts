import type { Choice, NumericParameter, ParamValue, Parameter, Params, Space, SubsetParameter } from "../space.ts";
import { fillActive, hasConditions } from "../space-conditions.ts";
import { fromSearchScale, levelsOf, searchRange, toSearchScale } from "../space-scale.ts";

/** One coordinate of the unit cube that stands for a space. */
export interface Dimension {
  readonly parameter: string;
  /** `continuous`; `discrete`: levels in order, at the centres of equal cells (before logarithms are taken); `categorical`: levels without order. */
  readonly kind: "continuous" | "discrete" | "categorical";
  /** How many values a discrete or categorical one has; `Infinity` for a continuous one. */
  readonly levels: number;
  /** Whether trials may be without it. */
  readonly conditional: boolean;
}

/**
 * A space as the unit cube [0, 1]^D: numbers on their search scale, ordered choices at the centres of their cells, a categorical as (index + ½)/k,
 * a permutation as one key per item (its order is that of the keys), a subset as one coordinate per item (in, from ½). Constants and parameters of one
 * value take no coordinate; an inactive parameter's stand at ½.
 */
export interface Encoding {
  readonly dimensions: readonly Dimension[];
  encode(params: Params): Float64Array;
  /** The values nearest to a point of the cube; inactive parameters are left out. */
  decode(point: ArrayLike<number>): Params;
  /** Brings a point to the coordinates of the values it stands for: `encode(decode(point))`, but inactive and list coordinates stay. */
  snap(point: Float64Array): Float64Array;
}

interface Block {
  readonly name: string;
  readonly parameter: Parameter;
  readonly start: number;
  readonly width: number;
}

export function createEncoding(space: Space): Encoding {
  const blocks: Block[] = [];
  const dimensions: Dimension[] = [];
  for (const [name, parameter] of Object.entries(space)) {
    const own = dimensionsOf(name, parameter);
    blocks.push({ name, parameter, start: dimensions.length, width: own.length });
    dimensions.push(...own);
  }
  const byName = new Map(blocks.map((block) => [block.name, block]));
  const decode = (point: ArrayLike<number>): Params =>
    fillActive(space, (name) => {
      const { parameter, start, width } = byName.get(name) as Block;
      return decodeValue(parameter, point, start, width);
    });
  const conditional = hasConditions(space);
  return {
    dimensions,
    decode,
    encode(params) {
      const point = new Float64Array(dimensions.length).fill(0.5);
      for (const { name, parameter, start, width } of blocks) {
        const value = params[name];
        if (value !== undefined && width > 0) encodeValue(parameter, value, point, start);
      }
      return point;
    },
    snap(point) {
      const snapped = Float64Array.from(point);
      const values = conditional ? decode(point) : undefined;
      for (const { name, parameter, start, width } of blocks) {
        if (width !== 1 || (values !== undefined && values[name] === undefined)) continue;
        encodeValue(parameter, decodeValue(parameter, point, start, width), snapped, start);
      }
      return snapped;
    },
  };
}

function dimensionsOf(name: string, parameter: Parameter): readonly Dimension[] {
  const levels = levelsOf(parameter);
  if (levels === 1) return [];
  const shared = { parameter: name, conditional: parameter.conditions !== undefined };
  switch (parameter.kind) {
    case "permutation":
      return parameter.items.map(() => ({ ...shared, kind: "continuous", levels: Infinity }));
    case "subset":
      return parameter.items.map(() => ({ ...shared, kind: "discrete", levels: 2 }));
    case "categorical":
      return [{ ...shared, kind: "categorical", levels }];
    default:
      return [{ ...shared, kind: levels === Infinity ? "continuous" : "discrete", levels }];
  }
}

function encodeValue(parameter: Parameter, value: ParamValue, point: Float64Array, start: number): void {
  switch (parameter.kind) {
    case "constant":
      return;
    case "categorical":
    case "ordinal":
      point[start] = (parameter.choices.indexOf(value as Choice) + 0.5) / parameter.choices.length;
      return;
    case "permutation":
      for (const [index, item] of parameter.items.entries())
        point[start + index] = ((value as readonly Choice[]).indexOf(item) + 0.5) / parameter.items.length;
      return;
    case "subset":
      for (const [index, item] of parameter.items.entries())
        point[start + index] = (value as readonly Choice[]).includes(item) ? 0.75 : 0.25;
      return;
    default:
      point[start] = encodeNumber(parameter, value as number);
  }
}

function encodeNumber(parameter: NumericParameter, value: number): number {
  const { low, high } = searchRange(parameter);
  return high > low ? Math.min(1, Math.max(0, (toSearchScale(parameter, value) - low) / (high - low))) : 0.5;
}

function decodeValue(parameter: Parameter, point: ArrayLike<number>, start: number, width: number): ParamValue {
  const coordinate = width === 0 ? 0.5 : (point[start] as number);
  switch (parameter.kind) {
    case "constant":
      return parameter.value;
    case "categorical":
    case "ordinal": {
      const { choices } = parameter;
      return choices[Math.min(choices.length - 1, Math.max(0, Math.floor(coordinate * choices.length)))] as Choice;
    }
    case "permutation":
      return width === 0 ? parameter.items : decodePermutation(parameter.items, point, start);
    case "subset":
      return decodeSubset(parameter, width === 0 ? undefined : point, start);
    default: {
      const { low, high } = searchRange(parameter);
      return fromSearchScale(parameter, low + (high - low) * coordinate);
    }
  }
}

function decodePermutation(items: readonly Choice[], point: ArrayLike<number>, start: number): readonly Choice[] {
  return items
    .map((item, index) => ({ item, key: point[start + index] as number }))
    .toSorted((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

/** Items from ½ on are in; where that is too few or too many, those nearest to ½ change sides. */
function decodeSubset(
  { items, min, max }: SubsetParameter,
  point: ArrayLike<number> | undefined,
  start: number,
): readonly Choice[] {
  const keys = items.map((_, index) => (point === undefined ? 0.5 : (point[start + index] as number)));
  const wanted = Math.min(max, Math.max(min, keys.filter((key) => key >= 0.5).length));
  const ranked = items.map((_, index) => index).toSorted((a, b) => (keys[b] as number) - (keys[a] as number));
  const chosen = new Set(ranked.slice(0, wanted));
  return items.filter((_, index) => chosen.has(index));
}
