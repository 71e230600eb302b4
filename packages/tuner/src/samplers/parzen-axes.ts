import type { Random } from "@millwright/contracts";
import type { Choice, NumericParameter, ParamValue, Parameter, Params, Space, SubsetParameter } from "../space.ts";
import type { Trial } from "../trial.ts";
import { type Scratch, createScratch } from "./scratch.ts";
import { type AxisOrders, createAxisOrders } from "./parzen-orders.ts";
import { fromSearchScale, levelsOf, searchRange, toSearchScale } from "../space-scale.ts";

/**
 * One coordinate of the kernels. `continuous` and `discrete` lie in [0, 1] on the search scale, a discrete one at the middle of the step its value
 * owns; `categorical` is the index of a choice; `permutation` takes `width` columns, the place of each item.
 */
export interface Axis {
  readonly kind: "continuous" | "discrete" | "categorical" | "permutation";
  /** Where it begins in a row. */
  readonly column: number;
  readonly width: number;
  /** How many values a categorical or discrete one has. */
  readonly levels: number;
  /** The coordinate of the value nearest to `x`; the same where there is no grid. */
  readonly snap: (x: number) => number;
  /** The ends of the cell that a discrete coordinate owns. */
  readonly cellLow: (x: number) => number;
  readonly cellHigh: (x: number) => number;
}

/** A parameter with its coordinates; those of one value have none. */
export interface ParameterAxes {
  readonly name: string;
  readonly axes: readonly Axis[];
  readonly start: number;
  readonly width: number;
  /** Writes the value's coordinates; false where the parameter has no such value. */
  encode(value: ParamValue, row: Float64Array): boolean;
  decode(row: ArrayLike<number>): ParamValue;
  /** Changes coordinates that stand for no value to some that do. */
  repair?(row: Float64Array, random: Random): void;
}

/** A space as rows of coordinates for the kernels of a Parzen estimator. */
export interface AxisTable {
  readonly parameters: readonly ParameterAxes[];
  readonly columns: number;
  /** Coordinates of the trials' values, NaN for those of parameters that have none; more numbers behind them. Rows are kept: do not write into them. */
  rowsOf(trials: readonly Trial[]): readonly Float64Array[];
  encode(params: Params): Float64Array;
  /** Whether all of the parameters have a value. */
  isComplete(row: Float64Array): boolean;
  readonly scratch: Scratch;
  /** The rows of trials by each numeric coordinate. */
  readonly orders: AxisOrders;
}

export interface AxisTableOptions {
  /** Densities of whole numbers on a logarithmic scale are taken at the value, as Optuna 4 does, not over its cell. */
  readonly logIntsAsPoints: boolean;
}

export function createAxisTable(space: Space, { logIntsAsPoints }: AxisTableOptions): AxisTable {
  const parameters: ParameterAxes[] = [];
  let columns = 0;
  for (const [name, parameter] of Object.entries(space)) {
    const own = axesOf(name, parameter, columns, logIntsAsPoints);
    parameters.push(own);
    columns += own.width;
  }
  // Trials keep their parameters over their life; the rows are the same without these.
  const rows = new WeakMap<Params, Float64Array>();
  let last: { readonly params: Params; readonly row: Float64Array }[] = [];
  const rowOf = (params: Params): Float64Array => {
    let row = rows.get(params);
    if (row === undefined) {
      row = encodeRow(parameters, columns, params);
      rows.set(params, row);
    }
    return row;
  };
  const axes = parameters.flatMap((parameter) => parameter.axes);
  const orders = createAxisOrders(
    axes.filter(({ kind }) => kind === "continuous" || kind === "discrete"),
    columns,
  );
  return {
    parameters,
    columns,
    orders,
    scratch: createScratch(),
    encode: (params) => encodeRow(parameters, columns, params),
    isComplete: (row) => row[columns + 1] === 1,
    rowsOf(trials) {
      orders.forget(trials.length);
      const before = last;
      last = trials.map(({ params }, index) => {
        const known = before[index];
        return known?.params === params ? known : { params, row: rowOf(params) };
      });
      return last.map(({ row }) => row);
    },
  };
}

function encodeRow(parameters: readonly ParameterAxes[], columns: number, params: Params): Float64Array {
  const row = new Float64Array(columns + 2);
  row[columns] = -1;
  row[columns + 1] = 1;
  for (const parameter of parameters) {
    const value = params[parameter.name];
    if (value !== undefined && parameter.encode(value, row)) continue;
    row.fill(NaN, parameter.start, parameter.start + parameter.width);
    row[columns + 1] = 0;
  }
  return row;
}

const same = (x: number): number => x;

function axesOf(name: string, parameter: Parameter, start: number, logIntsAsPoints: boolean): ParameterAxes {
  const levels = levelsOf(parameter);
  if (levels === 1) return withoutAxis(name, parameter, start);
  switch (parameter.kind) {
    case "categorical":
      return categoricalAxes(name, parameter.choices, start);
    case "ordinal":
      return ordinalAxes(name, parameter.choices, start);
    case "permutation":
      return permutationAxes(name, parameter.items, start);
    case "subset":
      return subsetAxes(name, parameter, start);
    default:
      return numericAxes(name, parameter as NumericParameter, levels, start, logIntsAsPoints);
  }
}

function withoutAxis(name: string, parameter: Parameter, start: number): ParameterAxes {
  const value = onlyValue(parameter);
  return { name, axes: [], start, width: 0, encode: () => true, decode: () => value };
}

function onlyValue(parameter: Parameter): ParamValue {
  switch (parameter.kind) {
    case "constant":
      return parameter.value;
    case "categorical":
    case "ordinal":
      return parameter.choices[0] as Choice;
    case "permutation":
      return parameter.items;
    case "subset":
      return parameter.max === 0 ? [] : parameter.items;
    default:
      return parameter.low;
  }
}

const categoricalAxis = (column: number, levels: number): Axis => ({
  kind: "categorical",
  column,
  width: 1,
  levels,
  snap: same,
  cellLow: same,
  cellHigh: same,
});

function categoricalAxes(name: string, choices: readonly Choice[], start: number): ParameterAxes {
  return {
    name,
    axes: [categoricalAxis(start, choices.length)],
    start,
    width: 1,
    encode(value, row) {
      const index = choices.indexOf(value as Choice);
      row[start] = index;
      return index >= 0;
    },
    decode: (row) => choices[row[start] as number] as Choice,
  };
}

/** `levels` cells of equal width. */
function gridAxis(column: number, levels: number): Axis {
  const half = 0.5 / levels;
  return {
    kind: "discrete",
    column,
    width: 1,
    levels,
    snap: (x) => (Math.min(levels - 1, Math.max(0, Math.floor(x * levels))) + 0.5) / levels,
    cellLow: (x) => x - half,
    cellHigh: (x) => x + half,
  };
}

function ordinalAxes(name: string, choices: readonly Choice[], start: number): ParameterAxes {
  const levels = choices.length;
  return {
    name,
    axes: [gridAxis(start, levels)],
    start,
    width: 1,
    encode(value, row) {
      const index = choices.indexOf(value as Choice);
      row[start] = (index + 0.5) / levels;
      return index >= 0;
    },
    decode: (row) => choices[Math.min(levels - 1, Math.floor((row[start] as number) * levels))] as Choice,
  };
}

function numericAxes(
  name: string,
  parameter: NumericParameter,
  levels: number,
  start: number,
  logIntsAsPoints: boolean,
): ParameterAxes {
  const { low, high } = searchRange(parameter);
  const width = high - low;
  const toUnit = (value: number): number => (toSearchScale(parameter, value) - low) / width;
  const fromUnit = (x: number): number => fromSearchScale(parameter, low + width * x);
  return {
    name,
    axes: [numericAxis(parameter, levels, start, toUnit, fromUnit, logIntsAsPoints)],
    start,
    width: 1,
    encode(value, row) {
      if (typeof value !== "number" || !(value >= parameter.low && value <= parameter.high)) return false;
      row[start] = Math.min(1, Math.max(0, toUnit(value)));
      return true;
    },
    decode: (row) => fromUnit(row[start] as number),
  };
}

function numericAxis(
  parameter: NumericParameter,
  levels: number,
  column: number,
  toUnit: (value: number) => number,
  fromUnit: (x: number) => number,
  logIntsAsPoints: boolean,
): Axis {
  if (levels === Infinity) return { ...categoricalAxis(column, Infinity), kind: "continuous" };
  if (!parameter.log) return gridAxis(column, levels);
  const half = (parameter.step ?? 1) / 2;
  return {
    kind: logIntsAsPoints ? "continuous" : "discrete",
    column,
    width: 1,
    levels,
    snap: (x) => toUnit(fromUnit(x)),
    cellLow: (x) => toUnit(fromUnit(x) - half),
    cellHigh: (x) => toUnit(fromUnit(x) + half),
  };
}

function permutationAxes(name: string, items: readonly Choice[], start: number): ParameterAxes {
  const width = items.length;
  return {
    name,
    axes: [{ ...categoricalAxis(start, width), kind: "permutation", width }],
    start,
    width,
    encode(value, row) {
      if (!Array.isArray(value) || value.length !== width) return false;
      for (const [item, choice] of items.entries()) {
        const place = value.indexOf(choice);
        if (place < 0) return false;
        row[start + item] = place;
      }
      return true;
    },
    decode(row) {
      const order = new Array<Choice>(width);
      for (const [item, choice] of items.entries()) order[row[start + item] as number] = choice;
      return order;
    },
  };
}

/** A yes or no for each item; where that is too few or too many of them, items drawn at random change. */
function subsetAxes(name: string, { items, min, max }: SubsetParameter, start: number): ParameterAxes {
  return {
    name,
    axes: items.map((_, index) => categoricalAxis(start + index, 2)),
    start,
    width: items.length,
    encode(value, row) {
      if (!Array.isArray(value) || value.length < min || value.length > max) return false;
      for (const [index, item] of items.entries()) row[start + index] = value.includes(item) ? 1 : 0;
      return true;
    },
    decode: (row) => items.filter((_, index) => row[start + index] === 1),
    repair(row, random) {
      const columns = items.map((_, index) => start + index);
      for (;;) {
        const chosen = columns.filter((column) => row[column] === 1);
        if (chosen.length >= min && chosen.length <= max) return;
        const from = chosen.length > max ? chosen : columns.filter((column) => row[column] !== 1);
        row[from[random.integer(from.length)] as number] = chosen.length > max ? 0 : 1;
      }
    },
  };
}
