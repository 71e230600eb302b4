import type { BurnRateReading } from "../slo/slo-status.ts";

export const severities = ["page", "ticket"] as const;

/** What is told of the rows of a severity, which are alternatives: one that fires, or the one that burns fastest. */
export function toldRow(
  rows: readonly BurnRateReading[],
  severity: BurnRateReading["severity"],
): BurnRateReading | undefined {
  let fastest: BurnRateReading | undefined;
  for (const row of rows) {
    if (row.severity !== severity) continue;
    if (row.state === "firing") return row;
    if (fastest === undefined || row.longBurnRate > fastest.longBurnRate) fastest = row;
  }
  return fastest;
}
