import { type Encoding, createEncoding } from "../samplers/encoding.ts";
import type { Params, Space } from "../space.ts";
import type { Column } from "./split.ts";

/** How parameters become a row that trees split on: a column per coordinate of the encoding, and "has no value" apart from all values. */
export interface TrialTable {
  readonly columns: readonly Column[];
  /** By column, what stands for "has no value"; `undefined` where there always is one. */
  readonly absent: readonly (number | undefined)[];
  /** Numbers on their scale from 0 to 1, −1 without a value; indices of choices, and one more without a value. */
  rowOf(params: Params): Float64Array;
  /** The row of what a point of the cube stands for. */
  rowAt(point: Float64Array): Float64Array;
}

export function trialTable(space: Space, { dimensions, encode }: Encoding): TrialTable {
  const columns = dimensions.map(({ kind, levels, conditional }): Column =>
    kind === "categorical" ? { kind, size: levels + (conditional ? 1 : 0) } : { kind: "numeric" },
  );
  const fill = (row: Float64Array, params: Params): Float64Array => {
    for (const [index, { parameter, kind, levels, conditional }] of dimensions.entries()) {
      const absent = conditional && params[parameter] === undefined;
      if (kind === "categorical")
        row[index] = absent ? levels : Math.min(levels - 1, Math.floor((row[index] as number) * levels));
      else if (absent) row[index] = -1;
    }
    return row;
  };
  const conditionsAt = conditionReader(space, { dimensions });
  return {
    columns,
    absent: dimensions.map(({ kind, levels, conditional }) =>
      conditional ? (kind === "categorical" ? levels : -1) : undefined,
    ),
    rowOf: (params) => fill(encode(params), params),
    rowAt: (point) => fill(point.slice(), conditionsAt(point)),
  };
}

/** Tells which conditional parameters have a value at a point, by looking at those and their parents alone. */
function conditionReader(space: Space, { dimensions }: Pick<Encoding, "dimensions">): (point: Float64Array) => Params {
  const involved = new Set<string>();
  for (const [name, { conditions = [] }] of Object.entries(space)) {
    if (conditions.length > 0) involved.add(name);
    for (const { parameter } of conditions) involved.add(parameter);
  }
  if (involved.size === 0) return () => ({});
  const { decode } = createEncoding(Object.fromEntries(Object.entries(space).filter(([name]) => involved.has(name))));
  const coordinates = [...dimensions.keys()].filter((index) => involved.has(dimensions[index]?.parameter ?? ""));
  return (point) => decode(coordinates.map((index) => point[index] as number));
}
