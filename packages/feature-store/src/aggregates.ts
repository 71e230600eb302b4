import type { FeatureView } from "./definition.ts";
import type { EventWindow } from "./event-window.ts";
import { scaleOf } from "./source-columns.ts";

/** A view's aggregates, ready to be read from an event window. */
export interface CompiledAggregates {
  readonly names: readonly string[];
  /** The inputs in the order of the event window's. */
  readonly inputs: readonly string[];
  /** Microseconds of the longest window; 0 without aggregates. */
  readonly longestUs: number;
  /** Writes the value of each aggregate at a time to `results`; NaN where there is none. */
  evaluate(window: EventWindow, timeUs: number, results: Float64Array): void;
}

/** A mean is one division of two whole numbers, so it is the nearest double to the true mean of the rounded values. */
export function compileAggregates(view: FeatureView): CompiledAggregates {
  const inputs = Object.keys(view.inputs);
  const entries = Object.entries(view.aggregates).map(([name, { kind, input, windowMs }]) => ({
    name,
    kind,
    windowUs: windowMs * 1000,
    input: input === undefined ? -1 : inputs.indexOf(input),
    scale: input === undefined ? 1 : scaleOf(view, input),
  }));
  const windows = [...new Set(entries.map((entry) => entry.windowUs))];
  const plan = entries.map((entry) => ({ ...entry, window: windows.indexOf(entry.windowUs) }));
  const starts = new Int32Array(windows.length);
  return {
    names: entries.map((entry) => entry.name),
    inputs,
    longestUs: Math.max(0, ...windows),
    evaluate(rows, timeUs, results) {
      const end = rows.countBefore(timeUs);
      for (let index = 0; index < windows.length; index++) starts[index] = rows.countBefore(timeUs - windows[index]!);
      for (let index = 0; index < plan.length; index++) {
        const { kind, input, scale, window } = plan[index]!;
        const start = starts[window]!;
        if (kind === "count") results[index] = end - start;
        else if (kind === "sum") results[index] = rows.sum(input, start, end) / scale;
        else results[index] = rows.sum(input, start, end) / (rows.count(input, start, end) * scale);
      }
    },
  };
}
