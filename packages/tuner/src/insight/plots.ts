import { paretoFront } from "../multi/front.ts";
import { isFeasible } from "../outcome.ts";
import { createEncoding } from "../samplers/encoding.ts";
import type { ParamValue, Parameter, Space } from "../space.ts";
import type { TrialState } from "../trial.ts";
import { type StudyRecord, byMerit, scoredTrials } from "./record.ts";

/** What a chart shows, as data that JSON can hold. Values that are infinite or NaN are left out: no axis has a place for them. */
export type StudyPlot = HistoryPlot | SlicePlot | ContourPlot | ParallelPlot | ParetoPlot | CurvesPlot | ImportancePlot;

/** A value on an axis; lists and truth values as text. */
export type AxisValue = number | string;

export interface Axis {
  readonly parameter: string;
  readonly scale: "linear" | "log" | "names";
}

export interface HistoryPlot {
  readonly kind: "history";
  readonly objective: number;
  readonly points: readonly { readonly trial: number; readonly value: number; readonly feasible: boolean }[];
  /** The best feasible value up to each of its trials. */
  readonly best: readonly { readonly trial: number; readonly value: number }[];
}

export interface SlicePlot {
  readonly kind: "slice";
  readonly axis: Axis;
  readonly points: readonly { readonly trial: number; readonly x: AxisValue; readonly value: number }[];
}

export interface ContourPlot {
  readonly kind: "contour";
  readonly x: Axis;
  readonly y: Axis;
  readonly points: readonly {
    readonly trial: number;
    readonly x: AxisValue;
    readonly y: AxisValue;
    readonly value: number;
  }[];
  /** Cells of the plane, with the mean of the trials weighted by 1/distance² on the search scale (Shepard 1968): a guess between the points. */
  readonly cells: readonly {
    readonly x: readonly [AxisValue, AxisValue];
    readonly y: readonly [AxisValue, AxisValue];
    readonly value: number;
  }[];
}

export interface ParallelPlot {
  readonly kind: "parallel";
  readonly parameters: readonly string[];
  /** Where each parameter's value stands on its search scale, from 0 to 1; inactive ones are absent. */
  readonly lines: readonly {
    readonly trial: number;
    readonly value: number;
    readonly at: Readonly<Record<string, number>>;
  }[];
}

export interface ParetoPlot {
  readonly kind: "pareto";
  /** Places of the two objectives in the study's directions. */
  readonly objectives: readonly [number, number];
  readonly points: readonly {
    readonly trial: number;
    readonly x: number;
    readonly y: number;
    readonly front: boolean;
  }[];
}

export interface CurvesPlot {
  readonly kind: "curves";
  readonly curves: readonly {
    readonly trial: number;
    readonly state: TrialState;
    readonly points: readonly { readonly step: number; readonly value: number }[];
  }[];
}

export interface ImportancePlot {
  readonly kind: "importance";
  readonly bars: readonly { readonly parameter: string; readonly importance: number }[];
}

/** The value of each completed trial, and the best so far. */
export function historyPlot(record: StudyRecord, objective = 0): HistoryPlot {
  const scored = scoredTrials(record, objective).filter(({ value }) => Number.isFinite(value));
  const best: { trial: number; value: number }[] = [];
  let least = Infinity;
  for (const { trial, value, loss } of scored) {
    if (loss >= least || !isFeasible(trial)) continue;
    least = loss;
    best.push({ trial: trial.number, value });
  }
  return {
    kind: "history",
    objective,
    points: scored.map(({ trial, value }) => ({ trial: trial.number, value, feasible: isFeasible(trial) })),
    best,
  };
}

/** The objective against one parameter. Throws RangeError for a parameter that is not in the space. */
export function slicePlot(record: StudyRecord, parameter: string, objective = 0): SlicePlot {
  const axis = axisOf(record.space, parameter);
  return {
    kind: "slice",
    axis,
    points: scoredTrials(record, objective).flatMap(({ trial, value }) => {
      const x = axisValue(trial.params[parameter]);
      return x === undefined || !Number.isFinite(value) ? [] : [{ trial: trial.number, x, value }];
    }),
  };
}

/** All parameters of each completed trial side by side. Throws RangeError for a parameter that is not in the space. */
export function parallelPlot(record: StudyRecord, parameters?: readonly string[], objective = 0): ParallelPlot {
  const { dimensions, encode } = createEncoding(record.space);
  const shown = parameters ?? [...new Set(dimensions.map(({ parameter }) => parameter))];
  for (const name of shown) axisOf(record.space, name);
  // A permutation or subset has many coordinates: it stands where its first does.
  const places = shown.map((name) => [name, dimensions.findIndex(({ parameter }) => parameter === name)] as const);
  return {
    kind: "parallel",
    parameters: shown,
    lines: scoredTrials(record, objective).flatMap(({ trial, value }) => {
      if (!Number.isFinite(value)) return [];
      const point = encode(trial.params);
      const known = places.filter(([name]) => trial.params[name] !== undefined);
      const at = Object.fromEntries(known.map(([name, place]) => [name, point[place] ?? 0.5]));
      return [{ trial: trial.number, value, at }];
    }),
  };
}

/** Two objectives of the completed trials; `front`: feasible, and no feasible trial is better in one of all objectives and as good in the others. */
export function paretoPlot(record: StudyRecord, objectives: readonly [number, number] = [0, 1]): ParetoPlot {
  const [first, second] = objectives;
  for (const objective of objectives)
    if (record.directions[objective] === undefined)
      throw new RangeError(`The study has no objective ${objective}; it has ${record.directions.length}.`);
  const completed = byMerit(record).filter(({ values }) => values?.every(Number.isFinite));
  const front = new Set(paretoFront(completed, record.directions).map(({ number }) => number));
  return {
    kind: "pareto",
    objectives,
    points: completed
      .toSorted((a, b) => a.number - b.number)
      .map((trial) => ({
        trial: trial.number,
        x: trial.values?.[first] as number,
        y: trial.values?.[second] as number,
        front: front.has(trial.number),
      })),
  };
}

/** What each trial reported while it ran. */
export function curvesPlot({ trials }: StudyRecord): CurvesPlot {
  return {
    kind: "curves",
    curves: trials.flatMap(({ number, state, intermediates }) => {
      const points = intermediates
        .filter(([, value]) => Number.isFinite(value))
        .map(([step, value]) => ({ step, value }));
      return points.length === 0 ? [] : [{ trial: number, state, points }];
    }),
  };
}

/** Shares of importance by parameter, largest first. */
export function importancePlot(importances: Readonly<Record<string, number>>): ImportancePlot {
  const bars = Object.entries(importances).map(([parameter, importance]) => ({ parameter, importance }));
  return { kind: "importance", bars: bars.toSorted((a, b) => b.importance - a.importance) };
}

/** Throws RangeError for a parameter that is not in the space. */
export function axisOf(space: Space, parameter: string): Axis {
  const known = Object.hasOwn(space, parameter) ? (space[parameter] as Parameter) : undefined;
  if (known === undefined)
    throw new RangeError(`The space has no parameter "${parameter}"; it has ${Object.keys(space).join(", ")}.`);
  if (known.kind !== "float" && known.kind !== "int") return { parameter, scale: "names" };
  return { parameter, scale: known.log ? "log" : "linear" };
}

export function axisValue(value: ParamValue | undefined): AxisValue | undefined {
  if (value === undefined || typeof value === "number" || typeof value === "string") return value;
  return JSON.stringify(value);
}
