import type { Column } from "@millwright/contracts";
import { valueAt } from "@millwright/data";
import type { DriftDetector } from "../detectors/detector.ts";
import type { DriftReport } from "../drift/compare.ts";
import type { DriftMonitorFactory, DriftWindow } from "../drift/drift-monitor.ts";
import { backtestInvalid } from "../errors.ts";

export interface DetectorMonitorOptions {
  /** The column of numbers or booleans that the detector watches, row by row. */
  readonly column: string;
  /** Makes the detector from the values of the history, nulls left out; it then sees them once. */
  readonly create: (history: Float64Array) => DriftDetector;
}

/** A detector of single values as a monitor of windows: a window has drifted when one of its rows made the detector say so. Throws `MONITOR_BACKTEST_INVALID`. */
export function detectorMonitor({ column, create }: DetectorMonitorOptions): DriftMonitorFactory {
  if (typeof column !== "string" || typeof create !== "function")
    throw backtestInvalid("a detector's monitor needs the name of a column, and a function that makes the detector");
  return (history) => {
    const known = history.flatMap((window) => [...valuesOf(window, column)]);
    const detector = create(Float64Array.from(known));
    for (const value of known) detector.update(value);
    return {
      judge(window): DriftReport {
        const values = valuesOf(window, column);
        let at = -1;
        for (const [row, value] of values.entries()) {
          if (detector.update(value) === "drift" && at < 0) at = row;
        }
        const reasons =
          at < 0 ? [] : [`The detector ${detector.kind} said drift at value ${at + 1} of ${values.length}.`];
        const verdict = values.length === 0 ? "not-enough-data" : at < 0 ? "ok" : "drift";
        const counts = { baselineCount: known.length, currentCount: values.length };
        return {
          verdict,
          reasons,
          driftedShare: at < 0 ? 0 : 1,
          columns: [{ name: column, verdict, reasons, ...counts, measures: {} }],
        };
      },
    };
  };
}

function valuesOf({ rows }: DriftWindow, name: string): Float64Array {
  if (rows === undefined) throw backtestInvalid("a detector needs windows that hold their rows");
  const column: Column | undefined = Object.hasOwn(rows.columns, name) ? rows.columns[name] : undefined;
  if (column === undefined) throw backtestInvalid(`the windows have no column "${name}"`);
  const values = Array.from({ length: column.length }, (_, row) => valueAt(column, row));
  return Float64Array.from(values.filter((value) => value !== null && Number.isFinite(Number(value))).map(Number));
}
