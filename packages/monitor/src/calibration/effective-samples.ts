import type { Column } from "@millwright/contracts";
import { toArray } from "@millwright/data";
import type { ComponentNull, ComponentValue } from "./component-null.ts";
import type { Partition } from "./partition.ts";

/** Rows beyond these add little to what is known of the lags. */
const mostRows = 20_000;
/** With fewer effective rows the lags themselves are not known. */
const fewestEffective = 50;

/**
 * How many rows say as little as one independent row would: 1 + 2 Σ ρ(lag) of rows in the order of their arrival, summed up to the first lag that is
 * at least five times the sum (Sokal, "Monte Carlo Methods in Statistical Mechanics", 1989). `undefined` where there are too few rows to say so. At least 1.
 */
export function autocorrelationTime(series: Float64Array): number | undefined {
  const rows = series.length;
  const mean = series.reduce((sum, value) => sum + value, 0) / rows;
  const centred = series.map((value) => value - mean);
  const variance = centred.reduce((sum, value) => sum + value * value, 0) / rows;
  if (!(variance > 0)) return rows >= fewestEffective ? 1 : undefined;
  let time = 1;
  for (let lag = 1; lag <= rows / 10; lag += 1) {
    let sum = 0;
    for (let row = lag; row < rows; row += 1) sum += (centred[row] as number) * (centred[row - lag] as number);
    time += (2 * sum) / rows / variance;
    if (lag >= 5 * time) return rows / Math.max(1, time) >= fewestEffective ? Math.max(1, time) : undefined;
  }
  return undefined;
}

/** @returns `autocorrelationTime` of each contrast, then of what is missing; `undefined` where one of them cannot be told. */
export function inflationOf(partition: Partition, column: Column): Float64Array | undefined {
  const values = toArray(column).slice(0, mostRows);
  const absent = Float64Array.from(values, (value) => (isAbsent(value) ? 1 : 0));
  const bins = values.filter((value) => !isAbsent(value)).map((value) => partition.binOf(value as number));
  const series = partition.contrasts.map(({ scores }) => Float64Array.from(bins, (bin) => scores[bin] as number));
  const times = [...series, absent].map(autocorrelationTime);
  return times.includes(undefined) ? undefined : Float64Array.from(times as number[]);
}

const isAbsent = (value: unknown): boolean =>
  value === null || value === undefined || (typeof value === "number" && !Number.isFinite(value));

/** A null for a history too short to show how windows differ: rows vary within windows, and as slowly as their autocorrelation says. */
export function componentFromRows(values: readonly ComponentValue[], floor: number, inflation: number): ComponentNull {
  const within = Math.max(floor, values.reduce((sum, value) => sum + value.within, 0) / values.length);
  const variance = (rows: number): number => Math.max((within * inflation) / Math.max(1, rows), 1e-300);
  const rows = values.reduce((sum, { count }) => sum + count, 0);
  const mean = values.reduce((sum, { value, count }) => sum + value * count, 0) / rows;
  return {
    expected: () => ({ mean, variance: variance(rows) }),
    variance,
    scores: new Float64Array(0),
    degreesOfFreedom: Math.max(1, rows / inflation - 1),
    inflation,
  };
}
