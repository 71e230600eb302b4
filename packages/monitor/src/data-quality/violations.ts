import { type ConstraintCheckType, type ConstraintReport, toSageMakerViolations } from "@millwright/data";
import type { JsonObject } from "@millwright/contracts";
import type { DataQualityCheck, DataQualityReport } from "./data-quality.ts";

/** Model Monitor's name of a check. It has none for freshness, volume, duplicates and ranges: numbers that are not finite or out of range are of a wrong type there. */
const kinds: Partial<Readonly<Record<DataQualityCheck, ConstraintCheckType>>> = {
  "missing-column": "missing_column_check",
  "extra-column": "extra_column_check",
  type: "data_type_check",
  "not-finite": "data_type_check",
  range: "data_type_check",
  missing: "completeness_check",
  "unseen-category": "categorical_values_check",
  drift: "baseline_drift_check",
};

/** The issues as violations of constraints: those that Model Monitor has a kind for. */
export function violationsOf({ issues }: DataQualityReport): ConstraintReport {
  const violations = issues.flatMap(({ check, column, description, observed, threshold }) => {
    const kind = kinds[check];
    if (kind === undefined || column === undefined) return [];
    const measured = {
      ...(observed === undefined ? {} : { observed }),
      ...(threshold === undefined ? {} : { threshold }),
    };
    return [{ column, check: kind, description, ...measured }];
  });
  return { formatVersion: 1, violations };
}

/** Model Monitor's `constraint_violations.json` of a report. */
export const violationsFile = (report: DataQualityReport): JsonObject => toSageMakerViolations(violationsOf(report));
