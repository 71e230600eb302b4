import type { Batch } from "@millwright/contracts";
import { concatBatches } from "@millwright/data";
import type { ColumnDrift, DriftReport } from "../drift/compare.ts";
import type { DriftMonitorFactory, DriftWindow } from "../drift/drift-monitor.ts";
import { rowsInvalid } from "../errors.ts";
import type { ToolColumn, ToolProfile, ToolReport } from "./tool-profile.ts";

/**
 * A tool's profile as a monitor of windows, so that it can be backtested and run as ours are: the rows of the history together are its reference. Windows without rows are `MONITOR_ROWS_INVALID`.
 */
export function toolMonitor(profile: ToolProfile): DriftMonitorFactory {
  return (history) => {
    if (history.length === 0) throw rowsInvalid("there is no window to take as the reference");
    const reference = concatBatches(history.map(rowsOf));
    return {
      judge(window) {
        const current = rowsOf(window);
        return current.length === 0
          ? withoutRows(reference)
          : reportOf(profile.compare(reference, current), reference, current);
      },
    };
  };
}

function rowsOf({ rows }: DriftWindow): Batch {
  if (rows === undefined) throw rowsInvalid("profiles of other tools need windows that hold their rows");
  return rows;
}

const nothing = "The window has no row.";

const withoutRows = (reference: Batch): DriftReport => ({
  verdict: "not-enough-data",
  reasons: [nothing],
  driftedShare: 0,
  columns: Object.keys(reference.columns).map((name) => ({
    name,
    verdict: "not-enough-data",
    reasons: [nothing],
    baselineCount: reference.length,
    currentCount: 0,
    measures: {},
  })),
});

function reportOf(report: ToolReport, reference: Batch, current: Batch): DriftReport {
  const columns = report.columns.map((column): ColumnDrift => ({
    name: column.name,
    verdict: column.drifted === undefined ? "not-compared" : column.drifted ? "drift" : "ok",
    reasons: reasonsOf(column, report.tool),
    baselineCount: reference.length,
    currentCount: current.length,
    measures: {},
  }));
  const reasons = report.drifted
    ? columns.flatMap(({ name, verdict, reasons: why }) => (verdict === "drift" ? [`${name}: ${why.join(" ")}`] : []))
    : [];
  const verdict = report.compared === 0 ? "not-enough-data" : report.drifted ? "drift" : "ok";
  return {
    verdict,
    reasons: report.compared === 0 ? [`${report.tool} compares no column.`] : reasons,
    driftedShare: report.share,
    columns,
  };
}

const rounded = (value: number | undefined): string =>
  value === undefined ? "none" : String(Number(value.toPrecision(3)));

function reasonsOf({ drifted, method, score, threshold, reason }: ToolColumn, tool: string): string[] {
  if (reason !== undefined) return [reason];
  return drifted === true
    ? [`${tool}: ${method} is ${rounded(score)}, with a threshold of ${rounded(threshold)}.`]
    : [];
}
