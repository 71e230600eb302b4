import type { MetricColumns } from "./metric-chunk.ts";
import { storeMetricValue } from "./metric-value.ts";

/** What a row of `registry_series` keeps of its points. */
export interface SeriesSummary {
  readonly points: number;
  readonly nans: number;
  readonly last_step: number;
  readonly last_ms: number;
  readonly last_value: number | null;
  readonly last_exact: string | null;
  readonly min_value: number | null;
  readonly min_step: number | null;
  readonly max_value: number | null;
  readonly max_step: number | null;
}

/** @param columns One point or more, in the order they were logged. */
export function summarizeSeries({ steps, timesMs, values }: MetricColumns): SeriesSummary {
  let nans = 0;
  let last = 0;
  let least: number | undefined;
  let greatest: number | undefined;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] as number;
    if ((steps[index] as number) >= (steps[last] as number)) last = index;
    if (Number.isNaN(value)) {
      nans += 1;
      continue;
    }
    if (least === undefined || value < (values[least] as number)) least = index;
    if (greatest === undefined || value > (values[greatest] as number)) greatest = index;
  }
  const { value, exact } = storeMetricValue(values[last] as number);
  return {
    points: values.length,
    nans,
    last_step: steps[last] as number,
    last_ms: timesMs[last] as number,
    last_value: value,
    last_exact: exact,
    min_value: least === undefined ? null : (values[least] as number),
    min_step: least === undefined ? null : (steps[least] as number),
    max_value: greatest === undefined ? null : (values[greatest] as number),
    max_step: greatest === undefined ? null : (steps[greatest] as number),
  };
}

/** The least and the greatest step, as a row of `registry_chunks` keeps them. */
export function stepsBetween({ steps }: MetricColumns): { readonly min_step: number; readonly max_step: number } {
  let min_step = steps[0] as number;
  let max_step = min_step;
  for (const step of steps) {
    if (step < min_step) min_step = step;
    if (step > max_step) max_step = step;
  }
  return { min_step, max_step };
}
